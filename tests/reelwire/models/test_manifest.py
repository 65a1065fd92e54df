"""model.toml: what a graph cannot say of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelwire.errors import BadPayload, ModelUnusable, OutsideShapeProfile
from reelwire.models import explain
from tests.reelwire.models import graphs
from tests.reelwire.models.running import assert_near, levels, opened, picture, through

GAIN = np.array(graphs.GAIN, np.float64)


def _say(folder: Path, *lines: str) -> None:
    (folder / "model" / "model.toml").write_text("\n".join(lines))


@pytest.mark.parametrize(("range_", "unit"), [("0..1", 255.0), ("0..255", 1.0)])
def test_the_range_decides_what_a_level_is(tmp_path: Path, range_: str, unit: float) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx", shift=0.25)
    _say(tmp_path, "[input]", f'range = "{range_}"')
    rgb = picture()
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels(rgb * GAIN + 0.25 * unit))


def test_minus_one_to_one_has_gray_at_zero(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    _say(tmp_path, "[input]", 'range = "-1..1"')
    rgb = picture()
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels(((rgb / 127.5 - 1) * GAIN + 1) * 127.5))


def test_the_output_may_have_a_range_of_its_own(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    _say(tmp_path, "[input]", 'range = "0..255"', "[output]", 'range = "0..1"')
    rgb = picture() // 128
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels(rgb * GAIN * 255))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_mean_and_std_are_in_units_of_the_range(tmp_path: Path, layout: str) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx", layout=layout)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    _say(tmp_path, "[input]", f"mean = {mean.tolist()}", f"std = {std.tolist()}")
    rgb = picture()
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels((rgb / 255 - mean) / std * GAIN * 255))


def test_a_normalised_output_is_brought_back(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    mean, std = np.array([100.0, 110.0, 120.0]), np.array([50.0, 60.0, 70.0])
    both = ('range = "0..255"', f"mean = {mean.tolist()}", f"std = {std.tolist()}")
    _say(tmp_path, "[input]", *both, "[output]", *both)
    rgb = picture()
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels((rgb - mean) * GAIN + mean))


@pytest.mark.parametrize("type_", [graphs.FLOAT, graphs.BYTES], ids=["float", "bytes"])
def test_bgr_models_get_blue_first_and_give_it_first(tmp_path: Path, type_: int) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx", type_=type_)
    _say(tmp_path, "[input]", 'color = "bgr"')
    rgb = picture()
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels(rgb * GAIN[::-1]))


def test_bgr_in_and_rgb_out_swaps_channels(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    _say(tmp_path, "[input]", 'color = "bgr"', "[output]", 'color = "rgb"')
    rgb = picture()
    with opened(tmp_path) as model:
        assert_near(through(model, rgb), levels(rgb[..., ::-1] * GAIN))


def test_frames_stacked_in_the_channels_are_a_window(tmp_path: Path) -> None:
    graphs.stacked_first(tmp_path / "model" / "model.onnx", 3)
    _say(tmp_path, "[window]", "frames = 3", "overlap = 2", "first_output = 0")
    rgb = picture(20, 24, frames=3)
    with opened(tmp_path) as model:
        assert model.spec.picture_input.layout == "NKHW"
        window = model.spec.window
        assert (window.hop, window.output_frames, window.hold_frames) == (1, 1, 2)
        assert_near(through(model, rgb), levels(rgb[:1] / 2 + rgb[2:] / 2))
        with pytest.raises(BadPayload, match="got 2 frames, the model takes windows of 3"):
            model.spec.to_tensor(rgb[:2])


def test_a_window_with_one_picture_out_belongs_to_its_middle_unless_said(tmp_path: Path) -> None:
    graphs.window_mean(tmp_path / "model" / "model.onnx", frames=5, each=False)
    _say(tmp_path, "[window]", "frames = 5", "overlap = 4")
    with opened(tmp_path) as model:
        assert model.spec.window.first_output == 2


def test_constants_are_filled_in(tmp_path: Path) -> None:
    graphs.voice(tmp_path / "model" / "model.onnx")
    _say(tmp_path, 'task = "voice"', "[constants]", "sr = 8000")
    with opened(tmp_path) as model:
        assert model.spec.constants["sr"] == 8000
        assert [tensor.name for tensor in model.spec.free_inputs] == ["input"]


def test_sizes_outside_what_is_stated_are_refused(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    _say(tmp_path, "[input]", "min_size = 16", "max_size = 64")
    with opened(tmp_path) as model:
        model.spec.to_tensor(picture(16, 64))
        for height, width in ((15, 64), (16, 65)):
            with pytest.raises(OutsideShapeProfile, match="16 to 64"):
                model.spec.to_tensor(picture(height, width))


def test_a_hash_that_does_not_fit_is_refused_with_both(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    _say(tmp_path, f'sha256 = "{"0" * 64}"')
    with (
        pytest.raises(ModelUnusable, match=f"sha256 [0-9a-f]{{64}}, model.toml says {'0' * 64}"),
        opened(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["licence = 'MIT'"], "licence.*unknown key"),
        (["[input]", "colour = 'bgr'"], r"input\.colour.*unknown key"),
        (["[input]", "range = '0..100'"], r"input\.range = '0\.\.100'"),
        (["[input]", "std = [1.0, 0.0, 1.0]"], r"input\.std"),
        (["[input]", "multiple = 0"], r"input\.multiple = 0"),
        (["[window]", "overlap = 2"], r"window\.frames"),
        (["[window]", "frames = 5"], "holds one frame"),
        (["sha256 = 'abc'"], "sha256 = 'abc'"),
        (["version = 'a/b'"], "version = 'a/b'"),
        (["name = 'other'"], 'name = "other", but the model is found as "model"'),
        (["[constants]", "gamma = 1.0"], "gamma: the graph has no such input"),
        (["[[state]]", "input = 'h'", "output = 'h2'"], "graph has inputs"),
        (["[input]", "name = 'picture'"], "no such free input; it has: frame"),
        (["[output]", "name = 'styled'"], "the graph has outputs"),
        (["this is not toml"], "not valid TOML"),
    ],
)
def test_what_is_wrong_in_it_is_named(tmp_path: Path, lines: list[str], words: str) -> None:
    graphs.gain(tmp_path / "model" / "model.onnx")
    _say(tmp_path, *lines)
    with pytest.raises(ModelUnusable, match=words), opened(tmp_path):
        pass
    assert explain(tmp_path / "model").problem
