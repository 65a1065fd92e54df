"""What the TensorRT engine must do, checked on the strict fake: each check is run on the engine as it is, and
again with a fault planted, when it must fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.fake_tensorrt import FakeGpu, fake_gpu
from reelwire.engines import open_engine
from reelwire.engines.backend import Array, EngineOptions, ShapeProfile, Variant
from reelwire.engines.graph import read_graph
from reelwire.engines.signature import read_signature
from reelwire.engines.tensorrt import engine as engine_module
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.libraries import ENTERPRISE, RTX
from reelwire.engines.tensorrt.loaded import LoadedPlan
from reelwire.engines.tensorrt.order import plan_key
from reelwire.engines.tensorrt.plans import PlanCache, PlanKey
from reelwire.errors import ModelUnusable, OutsideShapeProfile, PlanMissing, PlanStale
from tests.reelwire.models import graphs

FACTS = {"tensorrt": ENTERPRISE, "tensorrt-rtx": RTX}
STEPS = 60
PICTURE = {"frame": ((1, 3, 8, 8), (1, 3, 16, 24), (4, 3, 64, 64))}
MIXING = {**PICTURE, "h_in": PICTURE["frame"]}
SPREAD = {**PICTURE, "h_in": ((1, 3, 1, 1), (1, 3, 16, 24), (4, 3, 64, 64))}
QUARTERS = {**PICTURE, "h": ((1, 3, 2, 2), (1, 3, 4, 6), (4, 3, 16, 16))}
STATES = {"h": "h_next"}
Profile = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]


class Seam:
    """A fake GPU, and engines on it."""

    def __init__(self, folder: Path, library: str = "tensorrt") -> None:
        self.folder = folder
        self.fake: FakeGpu = fake_gpu(library)

    def engine(
        self, path: Path, *profiles: Profile, graph: Path | None = None
    ) -> engine_module.TensorRtEngine:
        """A plan of ``path``, opened as the plan of ``graph``, which is ``path`` too where it isn't said."""
        inputs, outputs = read_signature(graph or path)
        plan = LoadedPlan(self.fake.libraries, self.fake.plan(path, profiles), inputs, outputs)
        return engine_module.TensorRtEngine(self.fake.libraries, plan, precision="fp32", device="Fake GPU")

    def backend(self) -> TensorRtBackend:
        """The backend of a machine with this GPU."""
        return TensorRtBackend(
            FACTS[self.fake.libraries.name],
            find=lambda: self.fake.gpu,
            missing=lambda facts: "",
            load=lambda facts: self.fake.libraries,
        )

    def key(self, variant: Variant, *profiles: ShapeProfile) -> PlanKey:
        """That a builder keeps a plan of this file under."""
        return plan_key(
            self.fake.libraries.name, self.fake.libraries.version, self.fake.gpu, variant, profiles
        )

    def quarters(self) -> tuple[engine_module.TensorRtEngine, Any]:
        """A recurrent engine, and ONNX Runtime's of the same file."""
        path = graphs.quarter_mixing(self.folder / "quarters.onnx", named=True)
        return self.engine(path, QUARTERS), open_engine(path)


def frame(seed: int, shape: tuple[int, ...] = (1, 3, 16, 24)) -> Array:
    """Noise in 0..1."""
    return np.random.default_rng(seed).random(shape, np.float32)


def same(got: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    """Byte for byte: the fake computes with ONNX Runtime."""
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array)


def walk(stream: Any, reference: Any, frames: list[Array]) -> None:
    """Both see the same frames and must give the same."""
    for each in frames:
        same(stream.step({"frame": each}), reference.step({"frame": each}))


def start(engine: Any, shape: tuple[int, ...] = (1, 3, 4, 6)) -> Any:
    """A stream whose state is known."""
    stream = engine.stream(STATES)
    stream.load({"h": np.full(shape, 0.25, np.float32)})
    return stream


def stateless_runs_are_those_of_onnx_runtime(seam: Seam) -> None:
    path = graphs.gain(seam.folder / "gain.onnx", scale=2)
    engine, reference = seam.engine(path, PICTURE), open_engine(path)
    for seed in range(4):
        feeds = {"frame": frame(seed)}
        same(engine.run(feeds), reference.run(feeds))
    assert (seam.fake.device.eager_runs, seam.fake.device.launches) == (1, 3)
    engine.close()
    seam.fake.device.check()


def sixty_recurrent_steps_are_those_of_onnx_runtime(seam: Seam) -> None:
    engine, reference = seam.quarters()
    stream, other = start(engine), start(reference)
    walk(stream, other, [frame(seed) for seed in range(STEPS)])
    same(stream.state(), other.state())
    assert (stream.captures, seam.fake.device.launches) == (1, STEPS - 1)
    stream.close()
    engine.close()
    seam.fake.device.check()


def outputs_are_the_callers_own(seam: Seam) -> None:
    engine, _ = seam.quarters()
    stream = start(engine)
    first = stream.step({"frame": frame(1)})["picture"]
    kept = first.copy()
    stream.step({"frame": frame(2)})
    np.testing.assert_array_equal(first, kept)
    engine.close()
    seam.fake.device.check()


def each_new_shape_runs_once_and_is_recorded_anew(seam: Seam) -> None:
    path = graphs.gain(seam.folder / "gain.onnx")
    engine, reference = seam.engine(path, PICTURE), open_engine(path).stream({})
    stream = engine.stream({})
    for shape in ((1, 3, 16, 24), (2, 3, 32, 8), (1, 3, 16, 24), (4, 3, 64, 64)):
        walk(stream, reference, [frame(seed, shape) for seed in range(3)])
    assert (stream.captures, seam.fake.device.eager_runs, seam.fake.device.launches) == (4, 4, 8)
    stream.close()
    engine.close()
    seam.fake.device.check()


def a_state_moves_to_another_stream_and_goes_on(seam: Seam) -> None:
    engine, reference = seam.quarters()
    first, other = start(engine), start(reference)
    walk(first, other, [frame(seed) for seed in range(5)])
    kept = first.state()
    same(kept, other.state())
    second = start(engine)
    walk(second, start(reference), [frame(100), frame(101), frame(102)])  # it has a past of its own
    second.load(kept)
    same(second.state(), kept)
    walk(second, other, [frame(seed) for seed in range(5, 10)])
    assert second.captures == 1  # the same memory, so the recording stays true
    engine.close()
    seam.fake.device.check()


def a_small_state_is_spread_once(seam: Seam) -> None:
    path = graphs.mixing(seam.folder / "mixing.onnx", dims=("N", 3, "h", "w"))
    engine, reference = seam.engine(path, SPREAD), open_engine(path)
    streams = [each.stream({"h_in": "h_out"}) for each in (engine, reference)]
    for stream in streams:
        stream.load({"h_in": np.full((1, 3, 1, 1), 0.5, np.float32)})
    walk(*streams, [frame(seed) for seed in range(5)])
    same(streams[0].state(), streams[1].state())
    engine.close()
    seam.fake.device.check()


def closing_frees_everything(seam: Seam) -> None:
    engine, _ = seam.quarters()
    streams = [start(engine) for _ in range(3)]
    for stream in streams:
        for seed in range(3):
            stream.step({"frame": frame(seed)})
    engine.run({"frame": frame(1), "h": frame(2, (1, 3, 4, 6))})
    streams[0].close()
    streams[0].close()
    assert seam.fake.device.leaks() != []
    engine.close()
    seam.fake.device.check()


def many_threads_get_what_one_gets(seam: Seam) -> None:
    engine, reference = seam.quarters()
    feeds = [{"frame": frame(seed), "h": frame(seed + 50, (1, 3, 4, 6))} for seed in range(24)]
    alone = [reference.run(feed) for feed in feeds]
    with ThreadPoolExecutor(8) as threads:
        for got, wanted in zip(threads.map(engine.run, feeds), alone, strict=True):
            same(got, wanted)

    def stream(seed: int) -> None:
        walk(start(engine), start(reference), [frame(seed + number) for number in range(10)])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(stream, range(8)))
    engine.close()
    seam.fake.device.check()


def the_profile_that_fits_is_taken(seam: Seam) -> None:
    path = graphs.gain(seam.folder / "gain.onnx")
    small: Profile = {"frame": ((1, 3, 8, 8), (1, 3, 8, 8), (1, 3, 16, 16))}
    large: Profile = {"frame": ((1, 3, 32, 32), (1, 3, 64, 64), (2, 3, 64, 64))}
    engine, reference = seam.engine(path, large, small), open_engine(path)
    for shape in ((1, 3, 8, 8), (2, 3, 64, 64), (1, 3, 16, 16), (1, 3, 32, 32)):
        feeds = {"frame": frame(1, shape)}
        same(engine.run(feeds), reference.run(feeds))
    with pytest.raises(OutsideShapeProfile, match=r"given \[1, 3, 24, 24\].* or \[1, 3, 8, 8\] to") as caught:
        engine.run({"frame": frame(1, (1, 3, 24, 24))})
    assert caught.value.field == "frame"
    engine.run({"frame": frame(1, (1, 3, 8, 8))})
    engine.close()
    seam.fake.device.check()


def a_failed_call_names_itself_and_ends_the_stream(seam: Seam) -> None:
    engine, reference = seam.quarters()
    stream = start(engine)
    walk(stream, start(reference), [frame(1), frame(2)])
    seam.fake.device.failures["cudaGraphLaunch"] = "cudaErrorIllegalAddress"
    with pytest.raises(ModelUnusable, match="cudaGraphLaunch gave cudaErrorIllegalAddress; fix: "):
        stream.step({"frame": frame(3)})
    for use in (lambda: stream.step({"frame": frame(3)}), stream.state, lambda: stream.load({})):
        with pytest.raises(ModelUnusable, match=r"failed before .*cudaErrorIllegalAddress"):
            use()
    walk(start(engine), start(reference), [frame(seed) for seed in range(3)])  # others go on
    engine.close()
    seam.fake.device.check()


def a_plan_of_another_model_is_refused(seam: Seam) -> None:
    path = graphs.gain(seam.folder / "gain.onnx")
    for other, words in (
        (graphs.gain(seam.folder / "half.onnx", type_=graphs.HALF), "is HALF"),
        (graphs.gain(seam.folder / "fixed.onnx", layout="NHWC"), r"is \[-1, -1, -1, 3\]"),
        (graphs.mixing(seam.folder / "mixing.onnx"), "h_in"),
    ):
        with pytest.raises(PlanStale, match=f"another model: .*{words}"):
            seam.engine(other, MIXING, graph=path)
    seam.fake.device.check()


def the_plan_of_a_changed_graph_is_not_found(seam: Seam) -> None:
    backend = seam.backend()
    profiles = (ShapeProfile("all", PICTURE),)
    options = EngineOptions(profiles=profiles, cache=seam.folder / "plans")
    path = graphs.gain(seam.folder / "gain.onnx")
    (candidate,) = backend.candidates([Variant(read_graph(path), "fp32")])
    with pytest.raises(PlanMissing, match="reelwire export tensorrt"):
        backend.open(candidate, options)
    key = seam.key(candidate.variant, *profiles)
    PlanCache(options.cache).store(key, seam.fake.plan(path, [PICTURE]))
    engine = backend.open(candidate, options)
    same(engine.run({"frame": frame(1)}), open_engine(path).run({"frame": frame(1)}))
    wanted = (seam.fake.libraries.name, "Fake GPU", "fp32")
    assert (engine.backend, engine.device, engine.precision) == wanted
    engine.close()
    graphs.gain(path, shift=0.5)
    (changed,) = backend.candidates([Variant(read_graph(path), "fp32")])
    with pytest.raises(PlanMissing):
        backend.open(changed, options)
    seam.fake.device.check()


CHECKS: dict[str, Callable[[Seam], None]] = {
    check.__name__: check
    for check in (
        stateless_runs_are_those_of_onnx_runtime,
        sixty_recurrent_steps_are_those_of_onnx_runtime,
        outputs_are_the_callers_own,
        each_new_shape_runs_once_and_is_recorded_anew,
        a_state_moves_to_another_stream_and_goes_on,
        a_small_state_is_spread_once,
        closing_frees_everything,
        many_threads_get_what_one_gets,
        the_profile_that_fits_is_taken,
        a_failed_call_names_itself_and_ends_the_stream,
        a_plan_of_another_model_is_refused,
        the_plan_of_a_changed_graph_is_not_found,
    )
}
