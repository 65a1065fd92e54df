"""What a user installs: the contents of the wheel, and the main job from it beside folders that shadow us."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import av
import pytest

import reelwire
from tests.pinned import pinned_environment

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "assets" / "bigbuckbunny.mp4"
CLIP_FRAMES = 132
PACKAGES = {"reelwire", "services", "exporters", "training"}
STAGES = ("preprocess", "generator", "editor", "encoder")
MAX_WHEEL_BYTES = 40 << 20
BUILD_LIMIT_S = 240
RUN_LIMIT_S = 280

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def finished(command: list[str | Path], limit_s: float, **options: object) -> str:
    """Runs to its end and gives its standard output; what it said is the failure's text."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout by the pinned backend."""
    folder = tmp_path_factory.mktemp("wheel")
    finished(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT], BUILD_LIMIT_S
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Every file in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the wheel, and sees this one's dependencies but not this
    checkout: only the folder is on its path, so that .pth files in it (the editable install) do nothing."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", f"--python={python}", "--quiet"]
    finished([*pip, "install", "--no-deps", "--no-index", wheel], BUILD_LIMIT_S)
    own = Path(finished([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], 60).strip())
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "bin"


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    """A user's folder whose packages have our names and end whatever imports them."""
    for package in ("services", "reelwire"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"raise SystemExit('the decoy {package} was used')\n")
    for stage in STAGES:
        (tmp_path / "services" / f"{stage}.py").write_text("raise SystemExit('the decoy was used')\n")
    return tmp_path


def clean_environment() -> dict[str, str]:
    """This process's, without what would point Python or Reelwire anywhere else."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "REELWIRE_", "VIRTUAL_ENV"))
    }
    return own | pinned_environment()


def test_the_wheel_holds_the_four_packages_and_nothing_else(names: set[str]) -> None:
    information = f"reelwire-{reelwire.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {*PACKAGES, information}
    assert {f"{stage}/__main__.py" for stage in STAGES} <= {
        name.removeprefix("services/") for name in names if name.startswith("services/")
    }
    assert "reelwire/py.typed" in names
    assert {f"{information}/licenses/LICENSE", f"{information}/licenses/NOTICE"} <= names


def test_every_python_file_of_ours_is_in_the_wheel(names: set[str]) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py*")
        if path.suffix in (".py", ".pyi")
    }
    assert ours
    assert ours - names == set()
    assert [name for name in names if "test_" in name or "__pycache__" in name] == []


@pytest.mark.parametrize("model", ["restyle", "upscale", "identity", "selfie-segmentation", "centerface"])
def test_a_model_that_ships_is_in_the_wheel(names: set[str], model: str) -> None:
    assert {f"reelwire/models/shipped/{model}/{file}" for file in ("model.onnx", "model.toml")} <= names


def test_the_wheel_stays_small_enough_to_install_in_a_moment(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_the_installed_library_is_the_wheels_and_not_this_checkout(
    installed: Path, hostile_folder: Path
) -> None:
    code = "import reelwire, services, exporters, training; print(reelwire.__file__, services.__file__)"
    printed = finished(
        [installed / "python", "-P", "-c", code], 60, cwd=hostile_folder, env=clean_environment()
    )
    places = [Path(place) for place in printed.split()]
    assert all(installed.parent in place.parents for place in places), places


def test_the_wheel_does_the_main_job_beside_a_decoy_services_folder(
    installed: Path, hostile_folder: Path
) -> None:
    out = hostile_folder / "out.mp4"
    command = [installed / "reelwire", "run", CLIP, out, "--model", "restyle", "--size", "320x180"]
    finished(command, RUN_LIMIT_S, cwd=hostile_folder, env=clean_environment())
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == CLIP_FRAMES
