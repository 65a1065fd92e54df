"""``reelwire export`` passes its arguments on and ends as the exporter does."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reelwire.models.library import SHIPPED
from tests.reelwire.cli.running import finish, names_in, started, until

LIMIT_S = 120
CLIP = Path(__file__).resolve().parents[3] / "assets" / "bigbuckbunny.mp4"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "reelwire.cli", "export", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_help_of_a_subcommand_is_the_exporters_own() -> None:
    done = run("precision", "--help")
    assert done.returncode == 0
    assert "usage: reelwire export precision" in done.stdout
    assert "--keep-below-floor" in done.stdout


def test_help_without_a_subcommand_lists_them() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("onnx:", "precision:", "parity:", "verify:", "tensorrt:", "inspect:"):
        assert name in done.stdout


def test_a_model_is_inspected() -> None:
    done = run("inspect", str(SHIPPED / "identity"), "--no-compile")
    assert done.returncode == 0, done.stderr
    assert "identity@1" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["onyx"], 2, "is no subcommand"),
        (["inspect"], 2, "required: model"),
        (["inspect", "nowhere"], 1, "no model"),
    ],
)
def test_what_goes_wrong_has_the_exporters_status_and_words(
    arguments: list[str], status: int, said: str, tmp_path: Path
) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert said in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_export_that_is_interrupted_leaves_the_folder_as_it_was(tmp_path: Path, number: int) -> None:
    folder = Path(shutil.copytree(SHIPPED / "identity", tmp_path / "identity"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    calibrate = ("--calibrate", CLIP, "--size", "1920x1080", "--frames", "200")
    with started("export", "precision", folder, "--fp16", *calibrate) as process:
        until("the folder beside it", lambda: bool(list(tmp_path.glob(".export-*/*/identity/model.toml"))))
        process.send_signal(number)
        done = finish(process)
    assert (done.status, done.err) == (130, "interrupted\n")
    assert names_in(tmp_path) == ["identity"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_reader_that_has_enough_ends_an_export_in_silence() -> None:
    with started("export", "inspect", SHIPPED / "identity", "--no-compile") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(LIMIT_S) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stdout = None  # nothing is left to read at the end
