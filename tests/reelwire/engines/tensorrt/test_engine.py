"""The contract of every engine, and what TensorRT adds to it, on the strict fake."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from reelwire.engines import TensorSpec, open_engine
from reelwire.engines.backend import EngineOptions, ShapeProfile, Variant
from reelwire.engines.graph import read_graph
from reelwire.engines.signature import read_signature
from reelwire.engines.tensorrt.build import BuildOrder, build_plan
from reelwire.engines.tensorrt.engine import TensorRtEngine
from reelwire.engines.tensorrt.loaded import LoadedPlan
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.errors import BadPayload, ModelUnusable, OutsideShapeProfile, PlanMissing, PlanStale
from tests.reelwire.engines.tensorrt.seam import CHECKS, PICTURE, QUARTERS, Seam, frame, same, start
from tests.reelwire.models import graphs

LIBRARIES = ("tensorrt", "tensorrt-rtx")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("check", CHECKS)
def test_the_engine_keeps_its_promise_that(tmp_path: Path, library: str, check: str) -> None:
    CHECKS[check](Seam(tmp_path, library))


def test_tensors_have_the_graphs_own_names_of_dimensions(tmp_path: Path) -> None:
    engine, _ = Seam(tmp_path).quarters()
    assert engine.inputs[1] == TensorSpec("h", "float32", ("N", 3, "h4", "w4"))
    assert [spec.name for spec in engine.outputs] == ["picture", "h_next"]


@pytest.mark.parametrize(
    ("type_", "dtype"), [(graphs.FLOAT, np.float32), (graphs.HALF, np.float16), (graphs.BYTES, np.uint8)]
)
def test_tensors_of_each_type_go_in_and_come_out(tmp_path: Path, type_: int, dtype: type) -> None:
    seam = Seam(tmp_path)
    path = graphs.gain(tmp_path / "gain.onnx", type_=type_)
    engine = seam.engine(path, PICTURE)
    feeds = {"frame": (frame(1) * 200).astype(dtype)}

    for _ in range(3):
        same(engine.run(feeds), open_engine(path).run(feeds))
    engine.close()
    seam.fake.device.check()


def test_arrays_that_lie_scattered_in_memory_are_taken_as_they_are(tmp_path: Path) -> None:
    engine = Seam(tmp_path).engine(graphs.gain(tmp_path / "gain.onnx"), PICTURE)
    whole = np.ascontiguousarray(frame(1).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    same(engine.run({"frame": whole}), engine.run({"frame": np.ascontiguousarray(whole)}))


@pytest.mark.parametrize(
    ("feeds", "error", "words"),
    [
        ({"picture": frame(1)}, BadPayload, "missing: .'frame'."),
        ({"frame": frame(1).astype(np.float64)}, BadPayload, "given float64"),
        ({"frame": frame(1, (1, 4, 16, 16))}, OutsideShapeProfile, r"given \[1, 4, 16, 16\]"),
        ({"frame": frame(1, (1, 3, 16, 65))}, OutsideShapeProfile, r"plan takes \[1, 3, 8, 8\] to"),
        ({"frame": frame(1, (1, 3, 9, 8))}, OutsideShapeProfile, "does not take"),
    ],
    ids=["name", "type", "length", "profile", "multiple"],
)
def test_wrong_inputs_are_refused_and_leave_the_engine_usable(
    tmp_path: Path, feeds: dict[str, np.ndarray], error: type[Exception], words: str
) -> None:
    seam = Seam(tmp_path)
    engine = seam.engine(graphs.gain(tmp_path / "gain.onnx", multiple=8), PICTURE)
    with pytest.raises(error, match=words):
        engine.run(feeds)
    engine.run({"frame": frame(1, (1, 3, 16, 16))})
    engine.close()
    seam.fake.device.check()


def test_a_stream_needs_its_state_and_refuses_another_models(tmp_path: Path) -> None:
    engine, _ = Seam(tmp_path).quarters()
    stream = engine.stream({"h": "h_next"})
    assert stream.state() == {}
    with pytest.raises(BadPayload, match=r"missing: .'h'."):
        stream.step({"frame": frame(1)})
    with pytest.raises(BadPayload, match=r"state holds \['g'\], expected \['h'\]"):
        stream.load({"g": frame(1)})
    with pytest.raises(BadPayload, match='"h" is float64'):
        stream.load({"h": np.zeros((1, 3, 4, 6))})
    stream.load({"h": np.zeros((1, 3, 4, 6), np.float32)})
    stream.step({"frame": frame(1)})
    stream.load({})
    assert stream.state() == {}


def test_pairs_that_are_no_states_are_refused(tmp_path: Path) -> None:
    engine, _ = Seam(tmp_path).quarters()
    with pytest.raises(ModelUnusable, match='no state "h" with output "x"'):
        engine.stream({"h": "x"})


def test_a_state_that_goes_on_growing_is_refused(tmp_path: Path) -> None:
    seam = Seam(tmp_path)
    path = graphs.mixing(tmp_path / "mixing.onnx", dims=("N", 3, "h", "w"))
    engine = seam.engine(path, {**PICTURE, "h_in": ((1, 3, 1, 1), (1, 3, 16, 24), (4, 3, 64, 64))})
    stream = engine.stream({"h_in": "h_out"})
    stream.load({"h_in": np.zeros((1, 3, 1, 1), np.float32)})
    stream.step({"frame": frame(1)})
    stream.load({"h_in": np.zeros((1, 3, 16, 24), np.float32)})
    stream.step({"frame": frame(1)})
    with pytest.raises(ModelUnusable, match=r'state "h_in" grew from \[1, 3, 16, 24\] to \[2, 3, 16, 24\]'):
        stream.step({"frame": frame(1, (2, 3, 16, 24))})
    engine.close()
    seam.fake.device.check()


def test_a_recurrent_stream_keeps_its_state_where_only_the_picture_is_refused(tmp_path: Path) -> None:
    engine, reference = Seam(tmp_path).quarters()
    stream, other = start(engine), start(reference)
    same(stream.step({"frame": frame(1)}), other.step({"frame": frame(1)}))
    with pytest.raises(OutsideShapeProfile):
        stream.step({"frame": frame(1, (1, 3, 32, 32))})
    same(stream.step({"frame": frame(2)}), other.step({"frame": frame(2)}))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("cudaMalloc", "cudaErrorMemoryAllocation"),
        ("cudaMallocHost", "cudaErrorMemoryAllocation"),
        ("cudaMemcpyAsync", "cudaErrorInvalidValue"),
        ("cudaStreamSynchronize", "cudaErrorLaunchFailure"),
        ("cudaStreamCreateWithFlags", "cudaErrorInvalidValue"),
    ],
)
def test_whatever_call_fails_first_is_named_and_nothing_leaks(tmp_path: Path, call: str, error: str) -> None:
    seam = Seam(tmp_path)
    engine = seam.engine(graphs.gain(tmp_path / "gain.onnx"), PICTURE)
    seam.fake.device.failures[call] = error
    with pytest.raises(ModelUnusable, match=f"{call} gave {error}"):
        engine.run({"frame": frame(1)})
    engine.run({"frame": frame(1)})  # with another stream
    engine.close()
    seam.fake.device.check()


def test_a_gpu_without_room_for_another_context_says_so(tmp_path: Path) -> None:
    seam = Seam(tmp_path)
    engine, _ = seam.quarters()
    seam.fake.device.failures["create_execution_context"] = "yes"
    with pytest.raises(ModelUnusable, match=r"cannot start a stream: .*OutOfMemory"):
        engine.stream({})
    engine.close()
    seam.fake.device.check()


@pytest.mark.parametrize(
    ("library", "call"),
    [
        ("tensorrt", "execute_async_v3"),
        ("tensorrt", "cudaGraphInstantiate"),
        ("tensorrt-rtx", "is_stream_capturable"),
    ],
)
def test_what_cannot_be_recorded_runs_unrecorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, library: str, call: str
) -> None:
    seam = Seam(tmp_path, library)
    engine, reference = seam.quarters()
    stream, other = start(engine), start(reference)
    same(stream.step({"frame": frame(0)}), other.step({"frame": frame(0)}))
    seam.fake.device.failures[call] = "cudaErrorStreamCaptureUnsupported"
    for seed in range(1, 5):
        same(stream.step({"frame": frame(seed)}), other.step({"frame": frame(seed)}))
    assert (stream.captures, seam.fake.device.launches) == (0, 0)
    assert len([row for row in caplog.records if "not recorded as a CUDA graph" in row.message]) == 1
    engine.close()
    seam.fake.device.check()


def test_a_run_that_fails_on_the_gpu_ends_the_stream_with_the_librarys_words(tmp_path: Path) -> None:
    seam = Seam(tmp_path)
    engine, _ = seam.quarters()
    stream = start(engine)
    seam.fake.device.failures["execute_async_v3"] = "yes"
    with pytest.raises(ModelUnusable, match="failed to run: IExecutionContext::enqueueV3"):
        stream.step({"frame": frame(1)})
    assert stream.failed
    engine.close()
    seam.fake.device.check()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda plan: b"\0" * 64, "magicTag"),
        (lambda plan: plan[:-7], "blobSize"),
        (lambda plan: plan[:-1] + b"?", "corrupt"),
        (lambda plan: plan.replace(b"11.4.0.106", b"11.3.0.106"), "corrupt"),
    ],
    ids=["no plan", "cut off", "damaged", "edited"],
)
def test_a_damaged_plan_is_stale(tmp_path: Path, damage: Callable[[bytes], bytes], words: str) -> None:

    seam = Seam(tmp_path)
    path = graphs.gain(tmp_path / "gain.onnx")
    plan = damage(seam.fake.plan(path, [PICTURE]))
    with pytest.raises(PlanStale, match=f"{words}.*build it again"):
        LoadedPlan(seam.fake.libraries, plan, *read_signature(path))


def test_a_plan_that_the_library_refuses_is_removed_so_that_it_is_built_again(tmp_path: Path) -> None:
    seam, path = Seam(tmp_path), graphs.gain(tmp_path / "gain.onnx")
    backend, profiles = seam.backend(), (ShapeProfile("all", PICTURE),)
    options = EngineOptions(profiles=profiles, cache=tmp_path / "plans")
    (candidate,) = backend.candidates([Variant(read_graph(path), "fp32")])
    key = seam.key(candidate.variant, *profiles)
    PlanCache(options.cache).store(key, Seam(tmp_path, "tensorrt-rtx").fake.plan(path, [PICTURE]))
    with pytest.raises(PlanStale, match="tensorrt-rtx"):
        backend.open(candidate, options)
    with pytest.raises(PlanMissing):
        backend.open(candidate, options)


def test_a_plan_of_the_other_library_is_stale(tmp_path: Path) -> None:

    path = graphs.gain(tmp_path / "gain.onnx")
    plan = Seam(tmp_path, "tensorrt-rtx").fake.plan(path, [PICTURE])
    with pytest.raises(PlanStale, match=r"created with tensorrt-rtx 1\.7"):
        LoadedPlan(Seam(tmp_path).fake.libraries, plan, *read_signature(path))


def test_streams_and_engines_that_were_closed_say_so(tmp_path: Path) -> None:
    engine, _ = Seam(tmp_path).quarters()
    stream = start(engine)
    stream.close()
    with pytest.raises(ModelUnusable, match="closed"):
        stream.step({"frame": frame(1)})
    engine.close()
    with pytest.raises(ModelUnusable, match="closed"):
        engine.run({"frame": frame(1), "h": frame(1, (1, 3, 4, 6))})


def test_inputs_that_tensorrt_reads_as_shapes_are_refused(tmp_path: Path) -> None:

    path = graphs.save(
        tmp_path / "reshape.onnx",
        [helper.make_node("Reshape", ["x", "size"], ["y"])],
        [("x", graphs.FLOAT, ("N",)), ("size", graphs.INT64, (2,))],
        [("y", graphs.FLOAT, ("A", "B"))],
    )
    with pytest.raises(ModelUnusable, match=r'"size" .*as a shape') as caught:
        Seam(tmp_path).engine(path, {"x": ((1,), (4,), (8,))})
    assert caught.value.field == "size"


def test_memory_does_not_grow_with_frames_nor_with_changes_of_shape(tmp_path: Path) -> None:
    seam = Seam(tmp_path)
    path = graphs.gain(tmp_path / "gain.onnx")
    engine = seam.engine(path, PICTURE)
    stream = engine.stream({})
    sizes = []
    for _ in range(5):
        for shape in ((1, 3, 8, 8), (4, 3, 64, 64)):
            for seed in range(3):
                stream.step({"frame": frame(seed, shape)})
        sizes.append(len(seam.fake.device.blocks))
    assert set(sizes) == {4}
    assert seam.fake.device.largest_bytes == 2 * 4 * 3 * 64 * 64 * 4
    engine.close()


def test_quarters_are_a_profile_of_the_fake_builder_too(tmp_path: Path) -> None:

    seam = Seam(tmp_path)
    path = graphs.quarter_mixing(tmp_path / "quarters.onnx", named=True)
    built = build_plan(seam.fake.libraries.trt, BuildOrder(path, (ShapeProfile("all", QUARTERS),)))
    plan = LoadedPlan(seam.fake.libraries, built.plan, *read_signature(path))
    engine = TensorRtEngine(seam.fake.libraries, plan, precision="fp32", device="Fake GPU")
    assert start(engine).step({"frame": frame(1)})["picture"].shape == (1, 3, 16, 24)
    engine.close()
    seam.fake.device.check()
