"""Plans by the real compiler, TensorRT for RTX on the CPU: what it takes, what is refused, and with what."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from reelwire.engines.backend import ShapeProfile
from reelwire.engines.tensorrt import build
from reelwire.engines.tensorrt.build import BuildOrder, build_plan, timing_cache_file
from reelwire.engines.tensorrt.compile_check import compile_check
from reelwire.engines.tensorrt.progress import Phases, Progress
from reelwire.errors import InputNotFound, ProfileInvalid
from tests.reelwire.engines.tensorrt.refused import CASES
from tests.reelwire.engines.tensorrt.test_plans_planted import planted
from tests.reelwire.models import graphs

trt = pytest.importorskip(
    "tensorrt_rtx", reason="TensorRT for RTX, the compiler of these tests, is not installed"
)
ANY_SIZE = ShapeProfile("p", {"frame": ((1, 3, 16, 16), (1, 3, 32, 48), (2, 3, 64, 64))})


@pytest.mark.parametrize("name", CASES)
def test_what_tensorrt_must_not_take_is_refused_by_name(tmp_path: Path, name: str) -> None:
    case = CASES[name]()
    path = case.save(tmp_path / "model.onnx")
    with pytest.raises(case.error) as caught:
        build_plan(trt, BuildOrder(path, case.profiles))
    assert type(caught.value) is case.error
    assert caught.value.field == case.field
    assert "\n" not in caught.value.message


def width_of_sixteens(path: Path) -> Path:
    """Fails on widths that are no multiple of 16. No shape inference of ours sees through a size that is
    computed from another; the library's does."""
    return graphs.save(
        path,
        [
            helper.make_node("Shape", ["frame"], ["all"]),
            helper.make_node("Gather", ["all", "axis"], ["width"], axis=0),
            helper.make_node("Mod", ["width", "divisor"], ["rest"]),
            helper.make_node("Add", ["rest", "one"], ["begin"]),
            helper.make_node("Slice", ["frame", "begin", "end", "axis"], ["right"]),
            helper.make_node("Slice", ["frame", "one", "end", "axis"], ["most"]),
            helper.make_node("Add", ["right", "most"], ["y"]),
        ],
        [("frame", graphs.FLOAT, ("N", 3, "H", "W"))],
        [("y", graphs.FLOAT, None)],  # type: ignore[list-item]
        {
            "axis": np.array([3], np.int64),
            "divisor": np.array([16], np.int64),
            "one": np.array([1], np.int64),
            "end": np.array([2**31], np.int64),
        },
    )


SIXTEENS = ((1, 3, 16, 16), (1, 3, 32, 32), (1, 3, 64, 64))
NOT_AT_THE_LARGEST = (ShapeProfile("p", {"frame": (*SIXTEENS[:2], (1, 3, 64, 66))}),)


def test_contradictions_that_the_library_only_warns_of_are_errors(tmp_path: Path) -> None:
    path = width_of_sixteens(tmp_path / "model.onnx")
    assert build_plan(trt, BuildOrder(path, (ShapeProfile("p", {"frame": SIXTEENS}),))).plan
    with pytest.raises(ProfileInvalid, match="not self-consistent"):
        build_plan(trt, BuildOrder(path, NOT_AT_THE_LARGEST))


def test_without_a_look_at_its_warnings_the_library_would_build_it(tmp_path: Path) -> None:
    """The planted fault: what the test above is for."""
    careless = planted(build, "(warned := profile_warning(keeper.rows)) is not None", "False")
    path = width_of_sixteens(tmp_path / "model.onnx")
    assert careless.build_plan(trt, careless.BuildOrder(path, NOT_AT_THE_LARGEST)).plan


def test_a_plan_comes_with_its_memory_and_time(tmp_path: Path) -> None:
    built = compile_check(graphs.quarter_mixing(tmp_path / "m.onnx", named=True), [recurrent()])
    assert built.plan_bytes > 1000
    assert built.activation_bytes > 0
    assert built.seconds > 0


def recurrent() -> ShapeProfile:
    frames = ((1, 3, 16, 16), (1, 3, 32, 48), (2, 3, 64, 64))
    states = ((1, 3, 4, 4), (1, 3, 8, 12), (2, 3, 16, 16))
    return ShapeProfile("p", {"frame": frames, "h": states})


def test_several_profiles_and_none_for_fixed_sizes_build(tmp_path: Path) -> None:
    small = ShapeProfile("small", {"frame": ((1, 3, 16, 16),) * 3})
    assert build_plan(trt, BuildOrder(graphs.gain(tmp_path / "free.onnx"), (ANY_SIZE, small))).plan
    assert build_plan(trt, BuildOrder(graphs.gain(tmp_path / "fixed.onnx", size=(32, 32)), fixed())).plan


def fixed() -> tuple[ShapeProfile, ...]:
    return (ShapeProfile("p", {"frame": ((1, 3, 32, 32),) * 3}),)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no model file"):
        build_plan(trt, BuildOrder(tmp_path / "model.onnx"))


def test_a_plan_with_described_layers_is_built_for_an_inspector(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx")
    assert build_plan(trt, BuildOrder(path, (ANY_SIZE,), described=True)).plan


def test_progress_grows_from_nothing_to_all_and_names_its_phase(tmp_path: Path) -> None:
    told: list[Progress] = []
    build_plan(
        trt, BuildOrder(graphs.quarter_mixing(tmp_path / "m.onnx", named=True), (recurrent(),)), told.append
    )
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(set(fractions)) > 10
    assert all(progress.phase for progress in told)
    assert len({progress.phase for progress in told}) > 5


def test_what_a_listener_raises_ends_the_build_and_comes_out(tmp_path: Path) -> None:
    def listener(progress: Progress) -> None:
        if progress.fraction > 0.1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_plan(trt, BuildOrder(graphs.gain(tmp_path / "m.onnx"), (ANY_SIZE,)), listener)


def test_phases_within_phases_only_grow_and_stay_within_their_parents() -> None:
    told: list[Progress] = []
    phases = Phases(told.append)
    phases.start("all", None, 2)
    for name in ("first", "second"):
        phases.start(name, "all", 4)
        for step in range(4):
            phases.step(name, step)
        phases.finish(name)
        assert told[-1].fraction <= 0.5
    phases.step("all", 0)
    assert told[-1] == Progress(0.5, "all")
    phases.start("unfinished", "all", 1000)
    phases.finish("all")
    phases.step("never started", 3)
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_phases_take_steps_from_many_threads() -> None:
    told: list[Progress] = []
    phases = Phases(told.append)
    phases.start("all", None, 400)
    threads = [
        threading.Thread(target=lambda first=first: [phases.step("all", n) for n in range(first, 400, 4)])
        for first in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told[-1].fraction == 1.0
    assert [p.fraction for p in told] == sorted(p.fraction for p in told)


def test_the_timing_cache_belongs_to_one_gpu_architecture_and_version(tmp_path: Path) -> None:
    files = {
        timing_cache_file(tmp_path, "tensorrt", sm, version)
        for sm in ("8.6", "8.9")
        for version in ("1", "2")
    }
    assert len(files) == 4
    assert timing_cache_file(tmp_path, "tensorrt-rtx", "8.9", "1") is None


@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
@pytest.mark.parametrize("kept", [None, b"", b"of something else"])
def test_the_timing_cache_is_read_where_it_fits_and_written(tmp_path: Path, kept: bytes | None) -> None:
    path = tmp_path / "timing.bin"
    if kept is not None:
        path.write_bytes(kept)
    order = BuildOrder(graphs.gain(tmp_path / "m.onnx"), (ANY_SIZE,), timing_cache=path)
    first = build_plan(trt, order)
    assert first.plan
    written = path.read_bytes()
    assert written
    assert written != kept
    assert build_plan(trt, order).plan
