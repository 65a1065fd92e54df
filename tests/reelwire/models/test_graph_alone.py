"""A directory with only an .onnx file in it, unknown to the project: it works."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelwire.models import explain
from tests.reelwire.models import graphs
from tests.reelwire.models.running import assert_near, levels, opened, picture, through

GAIN = np.array(graphs.GAIN, np.float64)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("type_", [graphs.FLOAT, graphs.HALF, graphs.BYTES], ids=["float", "half", "bytes"])
@pytest.mark.parametrize("size", [("H", "W"), (36, 52)], ids=["any size", "fixed"])
def test_layout_type_and_size_come_from_the_graph(
    tmp_path: Path, layout: str, type_: int, size: tuple[int | str, int | str]
) -> None:
    graphs.gain(tmp_path / "model" / "anything.onnx", layout=layout, type_=type_, size=size)
    rgb = picture(36, 52)
    with opened(tmp_path) as model:
        assert model.spec.picture_input.layout == model.spec.picture_output.layout == layout
        assert (model.spec.picture_input.height, model.spec.scale) == (size[0] if size[0] == 36 else None, 1)
        assert_near(through(model, rgb), levels(rgb * GAIN), by=1)


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("type_", [graphs.FLOAT, graphs.BYTES], ids=["float", "bytes"])
def test_a_scale_factor_is_measured(tmp_path: Path, scale: int, dynamic: bool, type_: int) -> None:
    size: tuple[int | str, int | str] = ("H", "W") if dynamic else (36, 52)
    graphs.gain(tmp_path / "model.onnx", scale=scale, size=size, type_=type_)
    rgb = picture(36, 52)
    with opened(tmp_path) as model:
        assert model.spec.scale == scale
        assert_near(through(model, rgb), levels(rgb * GAIN).repeat(scale, 1).repeat(scale, 2))


@pytest.mark.parametrize("multiple", [2, 4, 8, 16, 32])
def test_a_size_multiple_is_found_and_padding_cut_away(tmp_path: Path, multiple: int) -> None:
    graphs.gain(tmp_path / "model.onnx", multiple=multiple)
    rgb = picture(37, 53)
    with opened(tmp_path) as model:
        assert model.spec.multiple == multiple
        assert_near(through(model, rgb), levels(rgb * GAIN))
        assert any("found by probing" in line for line in model.spec.understood)


def test_multiple_and_scale_work_together(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model.onnx", multiple=8, scale=2)
    rgb = picture(37, 53)
    with opened(tmp_path) as model:
        assert (model.spec.multiple, model.spec.scale) == (8, 2)
        assert_near(through(model, rgb), levels(rgb * GAIN).repeat(2, 1).repeat(2, 2))


def test_what_cannot_be_seen_is_assumed_aloud_with_the_line_that_says_otherwise(tmp_path: Path) -> None:
    explained = explain(graphs.gain(tmp_path / "model.onnx", shift=0.1))
    assert explained.problem == ""
    assumed = [line for line in explained.understood if "assumed" in line]
    assert len(assumed) == 2
    assert any("[input] range" in line for line in assumed)
    assert any("[output] range" in line for line in assumed)


def test_bytes_leave_nothing_to_assume(tmp_path: Path) -> None:
    explained = explain(graphs.gain(tmp_path / "model.onnx", type_=graphs.BYTES))
    assert explained.problem == ""
    assert not any("assumed" in line for line in explained.understood)


def test_a_window_of_fixed_length_needs_no_words(tmp_path: Path) -> None:
    graphs.window_mean(tmp_path / "model.onnx", frames=3, each=True)
    rgb = picture(20, 24, frames=3)
    with opened(tmp_path) as model:
        window = model.spec.window
        assert (window.frames, window.overlap, window.output_frames) == (3, 0, 3)
        assert_near(through(model, rgb), levels((rgb + rgb.mean(axis=0)) / 2))


def test_a_window_with_one_picture_out_says_that_frames_would_be_lost_and_how_to_overlap(
    tmp_path: Path,
) -> None:
    explained = explain(graphs.window_mean(tmp_path / "model.onnx", frames=5, each=False))
    assert "some are lost" in explained.problem
    assert "overlap = 4" in explained.fix


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ("h_in", "h_out"),
        ("r1i", "r1o"),
        ("past_k", "present_k"),
        ("h", "h_next"),
        ("state", "stateN"),
        ("hx", "hy"),
    ],
)
def test_recurrent_pairs_are_known_by_the_names_that_exporters_give(
    tmp_path: Path, given: str, got: str
) -> None:
    graphs.mixing(tmp_path / "model.onnx", given=given, got=got)
    with opened(tmp_path) as model:
        assert [(state.input, state.output) for state in model.spec.states] == [(given, got)]
        assert model.spec.states[0].dims == ("N", 3, "H", "W")


@pytest.mark.parametrize("named", [True, False])
def test_a_state_smaller_than_the_picture_starts_in_its_size(tmp_path: Path, named: bool) -> None:
    graphs.quarter_mixing(tmp_path / "model.onnx", named=named)
    rgb = picture(32, 48)
    with opened(tmp_path) as model:
        assert model.spec.states[0].dims[2:] == ("H/4", "W/4")
        assert model.spec.multiple == 4
        small = rgb.reshape(1, 8, 4, 12, 4, 3).mean(axis=(2, 4)) / 2
        assert_near(through(model, rgb), levels((rgb + small.repeat(4, 1).repeat(4, 2)) / 2))


def test_a_pytorch_style_name_of_the_file_is_the_models_name(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "my-net_v1.2.onnx")
    with opened(tmp_path, "my-net_v1.2") as model:
        assert model.version == model.sha256[:12]
