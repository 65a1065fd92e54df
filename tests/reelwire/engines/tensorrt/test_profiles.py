"""Shape profiles that contradict the graph or each other are refused before the library sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from reelwire.engines.backend import ShapeProfile, TensorSpec
from reelwire.engines.tensorrt.profiles import (
    check_profiles,
    check_shapes_solve,
    graph_inputs,
    read_without_weights,
)
from reelwire.errors import ProfileInvalid
from tests.reelwire.models import graphs

FRAME = TensorSpec("frame", "float32", ("batch", 3, "4*h4", "4*w4"))
STATE = TensorSpec("h", "float32", ("batch", 16, "h4", "w4"))
FRAMES = ((1, 3, 16, 32), (3, 3, 64, 128), (5, 3, 128, 256))
STATES = ((1, 16, 4, 8), (3, 16, 16, 32), (5, 16, 32, 64))
Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def profile(**inputs: Shapes) -> ShapeProfile:
    return ShapeProfile("p", inputs)


def with_axis(shapes: Shapes, point: int, axis: int, length: int) -> Shapes:
    """One length of one shape changed."""
    changed = [list(shape) for shape in shapes]
    changed[point][axis] = length
    return tuple(tuple(shape) for shape in changed)  # type: ignore[return-value]


def test_lengths_that_agree_at_all_three_points_pass() -> None:
    check_profiles([FRAME, STATE], [profile(frame=FRAMES, h=STATES)])


def test_a_graph_of_fixed_sizes_needs_no_profile() -> None:
    check_profiles([TensorSpec("x", "float32", (1, 3, 8, 8))], [])


@pytest.mark.parametrize(
    ("given", "tensor", "said"),
    [
        ([], "frame", "no shape profile gives them"),
        ([profile(frame=FRAMES)], "h", "free lengths that are not given"),
        ([profile(frame=FRAMES, h=STATES, x=STATES)], "x", "is no input; the graph has frame, h"),
        ([profile(frame=((3, 16, 32),) * 3, h=STATES)], "frame", "has 4 axes"),
        ([profile(frame=with_axis(FRAMES, 0, 1, 4), h=STATES)], "frame", "length 3 on axis 1, the profile 4"),
        ([profile(frame=with_axis(FRAMES, 0, 0, 0), h=STATES)], "frame", "lengths of 1 at least"),
        ([profile(frame=(FRAMES[1], FRAMES[0], FRAMES[2]), h=STATES)], "frame", "least shape .* above its"),
        ([profile(frame=(FRAMES[0], FRAMES[2], FRAMES[1]), h=STATES)], "frame", "likeliest shape .* above"),
        ([profile(frame=with_axis(FRAMES, 2, 2, 130), h=STATES)], "frame", r"multiple of 4 \(4\*h4\)"),
        (
            [profile(frame=FRAMES, h=with_axis(STATES, 2, 0, 6))],
            "h",
            'batch = 6 in its largest shape, "frame"',
        ),
        ([profile(frame=FRAMES, h=STATES), profile(frame=FRAMES)], "h", "not given"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_with_its_tensor(
    given: list[ShapeProfile], tensor: str, said: str
) -> None:
    with pytest.raises(ProfileInvalid, match=said) as caught:
        check_profiles([FRAME, STATE], given)
    assert caught.value.field == tensor


@pytest.mark.parametrize("point", range(3))
@pytest.mark.parametrize("axis", [0, 2, 3])
def test_a_state_that_does_not_fit_its_frame_is_refused_at_each_point(point: int, axis: int) -> None:
    """At the least and largest sizes the library only warns, or does not even do that."""
    wrong = STATES[point][axis] + 1
    with pytest.raises(ProfileInvalid, match=r'"h" has .* "frame" has'):
        check_profiles([FRAME, STATE], [profile(frame=FRAMES, h=with_axis(STATES, point, axis, wrong))])


@pytest.mark.parametrize("dims", [("N", 3, "h*2", "w"), ("N", 3, "2 * h", "w")])
def test_a_product_may_be_written_either_way_round(dims: tuple[int | str, ...]) -> None:
    inputs = [TensorSpec("frame", "float32", dims), TensorSpec("h", "float32", ("h", "w"))]
    frame: Shapes = ((1, 3, 8, 8),) * 3
    check_profiles(inputs, [profile(frame=frame, h=((4, 8),) * 3)])
    with pytest.raises(ProfileInvalid, match='"h" has h = 5'):
        check_profiles(inputs, [profile(frame=frame, h=((5, 8),) * 3)])


def test_weights_are_no_inputs_and_are_not_read(tmp_path: Path) -> None:
    weights = np.ones((64, 3, 5, 5), np.float32)
    path = graphs.save(
        tmp_path / "model.onnx",
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        [("x", graphs.FLOAT, ("N", 3, "H", "W")), ("w", graphs.FLOAT, weights.shape)],
        [("y", graphs.FLOAT, ("N", 64, None, None))],
        {"w": weights},
    )
    model = read_without_weights(path)
    assert [spec.name for spec in graph_inputs(model)] == ["x"]
    assert model.graph.initializer[0].ByteSize() < 64
    check_shapes_solve(model, [profile(x=((1, 3, 5, 5), (1, 3, 8, 8), (2, 3, 9, 9)))])


def specialised(path: Path, length: int = 48) -> Path:
    """Adds a ramp of the width that was traced, as ``torch.linspace`` leaves it."""
    shape = ("N", 3, "H", "W")
    return graphs.save(
        path,
        [helper.make_node("Add", ["frame", "ramp"], ["y"], name="add_ramp")],
        [("frame", graphs.FLOAT, shape)],
        [("y", graphs.FLOAT, shape)],
        {"ramp": np.linspace(0, 1, length, dtype=np.float32)},
    )


@pytest.mark.parametrize("point", range(3))
def test_a_size_that_was_fixed_when_traced_is_found_at_each_point(tmp_path: Path, point: int) -> None:
    model = read_without_weights(specialised(tmp_path / "model.onnx"))
    fits: Shapes = ((1, 3, 8, 48),) * 3
    check_shapes_solve(model, [profile(frame=fits)])
    with pytest.raises(ProfileInvalid, match=r'node "add_ramp" \(Add\): Incompatible dimensions') as caught:
        check_shapes_solve(model, [profile(frame=with_axis(fits, point, 3, 64))])
    assert caught.value.field == "frame"


def test_what_the_exporter_noted_between_nodes_is_not_believed(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx", shift=0.5)
    model = onnx.load(str(path))
    model.graph.value_info.append(helper.make_tensor_value_info("scaled", graphs.FLOAT, (1, 3, 48, 48)))
    onnx.save(model, str(path))
    check_shapes_solve(read_without_weights(path), [profile(frame=((1, 3, 8, 8),) * 3)])
