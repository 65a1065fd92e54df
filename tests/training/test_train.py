"""The training command: it learns, goes on after a kill as if nothing had been, and says what is wrong."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.training.material import arguments, write_features, write_picture
from training.checkpoint import load_checkpoint
from training.train import main

ROOT = Path(__file__).resolve().parents[2]
Spoil = Callable[[Path, Path], dict[str, object]]


def losses(run: Path) -> list[float]:
    """The loss of every step that log.csv has."""
    with (run / "log.csv").open(newline="") as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream)]


def logged_steps(run: Path) -> list[int]:
    """The steps that log.csv has."""
    with (run / "log.csv").open(newline="") as stream:
        return [int(row["step"]) for row in csv.DictReader(stream)]


def assert_same_training(run: Path, other: Path) -> None:
    """Every weight and every optimizer state, bit for bit."""
    one, two = (load_checkpoint(folder / "checkpoint.pt") for folder in (run, other))
    assert one.step == two.step
    for name, tensor in one.modules["network"].items():
        assert torch.equal(tensor, two.modules["network"][name]), name
    states = [checkpoint.optimizers["network"]["state"] for checkpoint in (one, two)]
    for key, state in states[0].items():
        assert all(torch.equal(value, states[1][key][name]) for name, value in state.items())


def test_a_few_seeded_steps_lower_the_loss(material: Path, tmp_path: Path) -> None:
    assert main(arguments(material, tmp_path, steps=60, log_every=1)) == 0
    found = losses(tmp_path)
    assert len(found) == 60
    assert np.mean(found[-10:]) < 0.8 * np.mean(found[:10])


def test_a_run_leaves_a_sample_with_the_crops_above_and_the_restyled_below(
    material: Path, tmp_path: Path
) -> None:
    assert main(arguments(material, tmp_path, steps=4, sample_every=2)) == 0
    samples = [cv2.imread(str(path)) for path in sorted(tmp_path.glob("sample-*.png"))]
    assert [sample.shape for sample in samples] == [(64, 128, 3)] * 2
    before, after = samples
    assert np.array_equal(before[:32], after[:32])
    assert not np.array_equal(before[32:], after[32:])


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_result(material: Path, tmp_path: Path) -> None:
    endless = {"steps": 5000, "save_every": 5, "sample_every": 5000, "log_every": 1}
    command = [sys.executable, "-m", "training.train", *arguments(material, tmp_path / "killed", **endless)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None
        assert any(line.startswith("12/") for line in training.stdout)
        training.send_signal(signal.SIGKILL)
    assert training.returncode == -signal.SIGKILL
    kept = load_checkpoint(tmp_path / "killed" / "checkpoint.pt").step
    assert kept >= 10
    for run in ("killed", "unbroken"):
        assert main(arguments(material, tmp_path / run, **endless, stop_after=kept + 7)) == 0
    assert_same_training(tmp_path / "killed", tmp_path / "unbroken")
    assert logged_steps(tmp_path / "killed") == list(range(kept + 7))


def test_the_seed_decides(material: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        assert main(arguments(material, tmp_path / str(seed), steps=3, seed=seed, log_every=1)) == 0
    assert losses(tmp_path / "1") != losses(tmp_path / "2")


def no_data(material: Path, own: Path) -> dict[str, object]:
    """A folder that is not there."""
    return {"data": own / "nowhere"}


def empty_data(material: Path, own: Path) -> dict[str, object]:
    """A folder of other things."""
    (own / "data").mkdir()
    (own / "data" / "notes.txt").write_text("no picture")
    return {"data": own / "data"}


def broken_data(material: Path, own: Path) -> dict[str, object]:
    """A picture that is none."""
    (own / "data").mkdir()
    (own / "data" / "a.jpg").write_bytes(b"not a picture")
    return {"data": own / "data"}


def broken_clip(material: Path, own: Path) -> dict[str, object]:
    """A clip that is none."""
    (own / "data").mkdir()
    (own / "data" / "a.mp4").write_bytes(b"not a clip" * 100)
    return {"data": own / "data"}


def no_style(material: Path, own: Path) -> dict[str, object]:
    """A style that is not there."""
    return {"style": own / "style.png"}


def thin_style(material: Path, own: Path) -> dict[str, object]:
    """More cut off than there is."""
    return {"style": write_picture(own / "s.png", np.zeros((20, 90, 3), np.uint8)), "style_trim_px": 10}


def no_features(material: Path, own: Path) -> dict[str, object]:
    """Features that are not there."""
    return {"features": own / "features.onnx"}


def broken_features(material: Path, own: Path) -> dict[str, object]:
    """Features that are no ONNX file."""
    (own / "features.onnx").write_bytes(b"\xff\xfe no graph")
    return {"features": own / "features.onnx"}


def foreign_features(material: Path, own: Path) -> dict[str, object]:
    """Features with an operator that a perceptual loss here does not run."""
    return {"features": write_features(own / "features.onnx", operator="Softplus")}


def unknown_layer(material: Path, own: Path) -> dict[str, object]:
    """A layer that the features do not have."""
    return {"style_layers": "relu1,relu9"}


def odd_crop(material: Path, own: Path) -> dict[str, object]:
    """A crop that the network cannot halve twice."""
    return {"crop": 34}


def out_is_a_file(material: Path, own: Path) -> dict[str, object]:
    """Nowhere to write."""
    (own / "run").write_text("taken")
    return {"out": own / "run"}


def damaged_checkpoint(material: Path, own: Path) -> dict[str, object]:
    """The checkpoint lost its end."""
    assert main(arguments(material, own / "run", steps=2)) == 0
    os.truncate(own / "run" / "checkpoint.pt", 2000)
    return {}


def hollow_checkpoint(material: Path, own: Path) -> dict[str, object]:
    """A checkpoint without what it must hold."""
    (own / "run").mkdir()
    torch.save({"format": 1, "model": "restyle"}, own / "run" / "checkpoint.pt")
    return {}


def text_checkpoint(material: Path, own: Path) -> dict[str, object]:
    """Some other file of that name."""
    (own / "run").mkdir()
    (own / "run" / "checkpoint.pt").write_text("once upon a time")
    return {}


def other_training(material: Path, own: Path) -> dict[str, object]:
    """The folder of a training with other arguments."""
    assert main(arguments(material, own / "run", steps=2)) == 0
    return {"steps": 2, "style_weight": 3.5}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_data, "nowhere is no folder"),
        (empty_data, "holds no picture and no clip"),
        (broken_data, "a.jpg cannot be read as a picture"),
        (broken_clip, "a.mp4 cannot be decoded"),
        (no_style, "style.png cannot be read: No such file"),
        (thin_style, "cannot cut 10 pixels off each side of 90x20"),
        (no_features, "features.onnx does not exist"),
        (broken_features, "features.onnx is no ONNX file"),
        (foreign_features, "operator Softplus"),
        (unknown_layer, 'has no layer "relu9"; choose others with --style-layers'),
        (odd_crop, "--crop 34: expected a multiple of 4"),
        (out_is_a_file, "run cannot be written: File exists"),
        (damaged_checkpoint, "checkpoint.pt is no checkpoint, or a damaged one"),
        (hollow_checkpoint, "checkpoint.pt is a damaged checkpoint"),
        (text_checkpoint, "checkpoint.pt is no checkpoint, or a damaged one"),
        (other_training, "was made with --style-weight 10.0, not 3.5; choose another --out"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_wrong_is_said_in_one_line(
    spoil: Spoil, said: str, material: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = {"out": tmp_path / "run", **spoil(material, tmp_path)}
    capfd.readouterr()
    assert main(arguments(material, **given)) == 1  # type: ignore[arg-type]
    (line,) = capfd.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize("module", ["training.train", "exporters.onnx"])
@pytest.mark.parametrize("missing", ["torch", "onnxscript"])
def test_without_the_extra_one_line_says_what_to_install(module: str, missing: str) -> None:
    code = (
        f"import runpy, sys; sys.modules['{missing}'] = None; sys.argv = ['x', 'c.pt', '--out', 'o', "
        f"'--name', 'n', '--version', '1']; runpy.run_module('{module}', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert missing in done.stderr
    assert 'pip install "reelwire[train]"' in done.stderr
