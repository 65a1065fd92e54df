"""Shape profiles of models that say none: from their multiple, bounds, states and windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwire.engines.backend import ShapeProfile
from reelwire.engines.select import Wanted, open_engine
from reelwire.engines.tensorrt.profiles import check_profiles
from reelwire.errors import ProfileInvalid
from reelwire.models.default_profiles import default_profiles
from reelwire.models.manifest import InputManifest, Manifest
from reelwire.models.understand import understand
from tests.reelwire.models import graphs


def made(
    path: Path, manifest: Manifest | None = None, batches: tuple[int, int] = (1, 1)
) -> tuple[ShapeProfile, ...]:
    engine = open_engine(path, wanted=Wanted("onnxruntime"))
    try:
        profiles = default_profiles(understand(engine, manifest or Manifest()), engine.inputs, batches)
        check_profiles(engine.inputs, profiles)
        return profiles
    finally:
        engine.close()


def test_from_the_least_to_full_hd(tmp_path: Path) -> None:
    (profile,) = made(graphs.gain(tmp_path / "model.onnx"))
    assert profile.inputs == {"frame": ((1, 3, 32, 32), (1, 3, 360, 640), (1, 3, 1080, 1920))}


def test_batches_and_layouts_are_kept(tmp_path: Path) -> None:
    (profile,) = made(graphs.gain(tmp_path / "model.onnx", layout="NHWC"), batches=(1, 4))
    assert profile.inputs == {"frame": ((1, 32, 32, 3), (1, 360, 640, 3), (4, 1080, 1920, 3))}


def test_multiple_and_bounds_of_the_model_hold(tmp_path: Path) -> None:
    manifest = Manifest(input=InputManifest(multiple=32, min_size=70, max_size=1000))
    (profile,) = made(graphs.gain(tmp_path / "model.onnx", multiple=8), manifest)
    assert profile.inputs == {"frame": ((1, 3, 96, 96), (1, 3, 384, 640), (1, 3, 992, 992))}


@pytest.mark.parametrize("named", [True, False])
def test_states_have_the_size_that_belongs_to_the_picture(tmp_path: Path, named: bool) -> None:
    (profile,) = made(graphs.quarter_mixing(tmp_path / "model.onnx", named=named))
    assert profile.inputs["h"] == ((1, 3, 8, 8), (1, 3, 90, 160), (1, 3, 270, 480))


def test_windows_keep_their_frames(tmp_path: Path) -> None:
    (profile,) = made(graphs.window_mean(tmp_path / "model.onnx", frames=5, each=True))
    assert profile.inputs["clip"][2] == (1, 5, 3, 1080, 1920)


def test_a_model_of_one_size_but_any_batch_keeps_its_size(tmp_path: Path) -> None:
    (profile,) = made(graphs.gain(tmp_path / "model.onnx", size=(32, 48)), batches=(1, 3))
    assert profile.inputs == {"frame": ((1, 3, 32, 48), (1, 3, 32, 48), (3, 3, 32, 48))}


def test_what_cannot_be_derived_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid, match=r"the model takes no picture; say it in model.toml"):
        made(graphs.voice(tmp_path / "model.onnx"), Manifest(constants={"sr": 16000}))
