"""What a stranger meets: the licence, the credits, the clip, the commands, the documents and their links."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import av
import pytest

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "assets" / "bigbuckbunny.mp4"
TARGETS = ("demo", "test", "quick", "protos", "models", "models-verify", "bench", "clean", "help")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/adding-{n}.md" for n in (
    "an-effect", "a-model", "a-place-for-pixels",
)))  # fmt: skip
APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def documents() -> list[Path]:
    """Every page that we write."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("assets/*.md")])


def run(*command: str) -> str:
    """Runs in the repository root; gives standard output."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_licence_is_the_whole_apache_2() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_SHA256


def test_everything_of_others_that_ships_is_credited() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    shipped = [
        *(ROOT / "reelwire" / "models" / "shipped").iterdir(),
        *(ROOT / "tests" / "data").glob("*.onnx"),
        *(path for path in (ROOT / "assets").iterdir() if path.suffix != ".md"),
        *(path for path in (ROOT / "services").rglob("*") if path.suffix in (".ttf", ".otf", ".woff2")),
    ]
    names = [path.relative_to(ROOT).as_posix() for path in shipped if path.name != "__pycache__"]
    assert names
    assert [name for name in names if name not in notice] == []


def test_every_model_that_ships_names_its_licence_source_and_checksum() -> None:
    for path in (ROOT / "reelwire" / "models" / "shipped").glob("*/model.toml"):
        manifest = tomllib.loads(path.read_text("utf-8"))
        assert manifest["license"], path
        assert manifest.get("source") or manifest.get("training"), path
        assert manifest["sha256"] == hashlib.sha256((path.parent / "model.onnx").read_bytes()).hexdigest(), (
            path
        )


def test_the_demo_clip_is_the_one_that_is_credited_and_decodes_whole() -> None:
    credit = (ROOT / "assets" / "README.md").read_text("utf-8")
    assert hashlib.sha256(CLIP.read_bytes()).hexdigest() in credit
    assert "CC BY 3.0" in credit
    with av.open(str(CLIP)) as container:
        assert container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 132


def test_ci_runs_the_test_command_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = [line for line in script.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert commands[-1] == "exec make test"
    assert all(line.startswith(("set ", "cd ")) for line in commands[:-1])


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lists_what_can_be_done() -> None:
    listed = [line.split()[1] for line in run("make", "--no-print-directory").splitlines()]
    assert sorted(listed) == sorted(TARGETS)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_says_what_is_wrong_with_a_python_it_cannot_use(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    venv = tmp_path / "venv"
    for python, said in ((old, "Python 3.9.2; 3.11 or newer is needed"), (tmp_path / "none", "not found")):
        done = subprocess.run(
            ["make", "demo", f"PYTHON={python}", f"VENV={venv}"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert said in done.stderr
        assert not venv.exists()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_must_be_there_is_there(page: str) -> None:
    assert (ROOT / page).stat().st_size > 200


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in documents()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {re.split(r"[\[=<>~! ;]", line)[0] for line in lines}
    explained = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert sorted(name for name in names if f"`{name}`" not in explained) == []
