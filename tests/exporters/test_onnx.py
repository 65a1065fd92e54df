"""The export command: from a training's checkpoint to a model that streams use."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
import torch

from exporters.onnx import main
from reelwire.models import ModelLibrary
from reelwire.models.manifest import read_manifest
from reelwire.models.sample import check_sample, read_sample
from tests.reelwire.models.running import assert_near, levels, opened, picture, through
from tests.training.material import arguments, write_material
from training.checkpoint import load_checkpoint
from training.recipe import find_recipe
from training.train import main as train

STEPS = 8


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a training of a few steps, stopped before its end."""
    folder = tmp_path_factory.mktemp("training")
    material = write_material(folder / "material")
    assert train(arguments(material, folder / "run", stop_after=STEPS)) == 0
    return folder / "run" / "checkpoint.pt"


@pytest.fixture(scope="module")
def models(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with the exported "painted" in it."""
    folder = tmp_path_factory.mktemp("models")
    assert main([str(checkpoint), "--out", str(folder), "--name", "painted", "--version", "7"]) == 0
    return folder


@pytest.mark.slow
def test_an_export_is_found_by_the_library_with_its_version(models: Path) -> None:
    library = ModelLibrary([models])
    found = {entry.name: entry.version for entry in library.list()}
    library.close()
    assert found["painted"] == "7"
    assert sorted(path.name for path in models.iterdir()) == ["painted"]


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(48, 64), (180, 100), (37, 53)], ids=str)
def test_an_export_paints_what_the_training_painted_at_sizes_never_traced(
    height: int, width: int, models: Path, checkpoint: Path
) -> None:
    kept = load_checkpoint(checkpoint)
    network = find_recipe(kept.model).exportable(kept.config, kept.modules).module
    rgb = picture(height, width)
    padded = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    below, right = -height % 4, -width % 4
    padded = torch.nn.functional.pad(padded, (0, right, 0, below), mode="replicate")
    with torch.no_grad():
        wanted = network(padded)[:, :, :height, :width].permute(0, 2, 3, 1).numpy() * 255
    with opened(models, "painted") as model:
        assert model.spec.multiple == 4
        assert_near(through(model, rgb), levels(wanted))


@pytest.mark.slow
def test_model_toml_tells_how_it_was_trained_and_what_was_measured(models: Path, checkpoint: Path) -> None:
    path = models / "painted" / "model.toml"
    manifest = read_manifest(path)
    assert manifest.license == "Apache-2.0"
    assert manifest.training.startswith(
        "python -m training.train restyle --out runs/restyle --steps 40 --seed 1"
    )
    assert f"--stop-after {STEPS}" in manifest.training
    for name, value in load_checkpoint(checkpoint).config.items():
        assert f"--{name.replace('_', '-')} {value}" in manifest.training
    assert manifest.metrics["training_steps"] == STEPS
    assert 0 <= tomllib.loads(path.read_text())["metrics"]["parity_max_abs_error"] < 1e-4
    assert "3x3x248x364" in str(manifest.metrics["parity_with"])


@pytest.mark.slow
def test_an_export_brings_a_sample_that_it_reproduces_a_floor_and_sizes_for_plans(models: Path) -> None:
    folder = models / "painted"
    manifest = read_manifest(folder / "model.toml")
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "model.toml", "sample.npz"}
    assert manifest.quality.min_psnr_db == 30
    assert [profile.name for profile in manifest.profiles] == ["720p", "1080p"]
    assert manifest.profiles[0].inputs["frame"] == ((1, 3, 32, 32), (1, 3, 360, 640), (4, 3, 720, 1280))
    sample = read_sample(folder, manifest)
    assert sample is not None
    with opened(models, "painted") as model:
        check_sample(model.engine, sample, 30.0)


@pytest.mark.slow
def test_a_tolerance_that_is_not_met_writes_nothing(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [str(checkpoint), "--out", str(tmp_path / "m"), "--name", "n", "--version", "1"]
    assert main([*given, "--tolerance", "-1"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "at most -1 passes" in line
    assert list((tmp_path / "m").iterdir()) == []


def missing(own: Path) -> Path:
    """Not there."""
    return own / "checkpoint.pt"


def truncated(own: Path) -> Path:
    """Lost its end."""
    torch.save({"format": 1, "model": "restyle", "weights": torch.zeros(5000)}, own / "checkpoint.pt")
    os.truncate(own / "checkpoint.pt", 3000)
    return own / "checkpoint.pt"


def foreign(own: Path) -> Path:
    """A state dict of some other program."""
    torch.save({"weight": torch.zeros(3)}, own / "checkpoint.pt")
    return own / "checkpoint.pt"


def unknown(own: Path) -> Path:
    """Of a recipe that is not here."""
    values = {"model": "mosaic", "step": 1, "config": {}, "modules": {}, "optimizers": {}}
    torch.save({"format": 1, **values}, own / "checkpoint.pt")
    return own / "checkpoint.pt"


def misfit(own: Path) -> Path:
    """Weights that do not fit the network that the config describes."""
    values = {
        "model": "restyle",
        "step": 1,
        "config": {"narrow": 4, "wide": 6, "blocks": 1},
        "modules": {"network": {"weight": torch.zeros(3)}},
        "optimizers": {},
    }
    torch.save({"format": 1, **values}, own / "checkpoint.pt")
    return own / "checkpoint.pt"


def outdated(own: Path) -> Path:
    """Of a recipe that had other arguments."""
    values = {"model": "restyle", "step": 1, "config": {"width": 4}, "modules": {}, "optimizers": {}}
    torch.save({"format": 1, **values}, own / "checkpoint.pt")
    return own / "checkpoint.pt"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "does not exist"),
        (truncated, "is no checkpoint, or a damaged one"),
        (foreign, "is no checkpoint of this program"),
        (unknown, 'model "mosaic" not found; available: restyle'),
        (outdated, "lacks 'narrow': it is of another version; train again"),
        (misfit, "do not fit StyleNetwork as it is now"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_checkpoint_that_cannot_be_used_is_said_in_one_line(
    spoil: object, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert callable(spoil)
    path = spoil(tmp_path)
    assert main([str(path), "--out", str(tmp_path / "m"), "--name", "n", "--version", "1"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "m").exists()


def test_a_name_that_no_model_may_have_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["c.pt", "--out", str(tmp_path), "--name", "../up", "--version", "1"])
    assert '"../up": expected letters' in capsys.readouterr().err
