"""All that is checked, in order; each by a name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.fake_tensorrt import FakeGpu
from deploy.gpu import costs, installation, layers, numbers, onnxruntime_cuda, plans, serving, video
from deploy.gpu.made import OTHER, RECURRENT
from deploy.gpu.report import Report, Result, failed, held, skipped
from deploy.gpu.subjects import Extent, Target, Way
from reelwire.engines.tensorrt.backend import TensorRtBackend

NO_CUDA = 'backend cuda cannot run here: see preflight; fix: pip install "reelwire[cuda]"'
A_FAKE = "a fake has none"


@dataclass(frozen=True)
class Day:
    """What the checks work on. ``made``: ways of the two models that are made for this, in ``folder``;
    ``fakes``: stand in for the GPU, empty where there is one."""

    targets: tuple[Target, ...]
    ways: tuple[Way, ...]
    made: tuple[Way, ...]
    extent: Extent
    folder: Path
    fakes: tuple[FakeGpu, ...] = field(default=())

    def made_on(self, target: Target, model: str) -> Way:
        """The one of that model in fp32."""
        return next(way for way in self.made if (way.target, way.model.name) == (target, model))


@dataclass(frozen=True)
class Check:
    """``each``: run for every way that it ``takes``; ``once``: for the whole day; ``real``: a fake cannot
    stand in."""

    name: str
    about: str
    each: Callable[[Way], Iterator[Result]] | None = None
    once: Callable[[Day], Iterator[Result]] | None = None
    takes: Callable[[Way], bool] = lambda way: bool(way.shapes)
    real: bool = False


def run(check: Check, day: Day, report: Report) -> None:
    """Adds its results; what it raises is a failure, and the next way goes on."""
    if check.real and day.fakes:
        report.add(skipped("", A_FAKE), check.name, "", 0.0)
        return
    if check.once is not None:
        once = check.once
        _add(check, "", lambda: once(day), report)
    for way in (*day.ways, *day.made):
        if check.each is not None and check.takes(way):
            each = check.each
            _add(check, str(way), lambda each=each, way=way: each(way), report)
    if not any(result.check == check.name for result in report.results):
        report.add(skipped("", "no model and backend of this run has it"), check.name, "", 0.0)


def _add(check: Check, about: str, results: Callable[[], Iterator[Result]], report: Report) -> None:
    began = time.perf_counter()
    try:
        for result in results():
            report.add(result, check.name, about, time.perf_counter() - began)
            began = time.perf_counter()
    except Exception as error:  # whatever it is, the other checks go on
        why = f"{type(error).__name__}: {error}"
        report.add(failed("", why), check.name, about, time.perf_counter() - began)


def _versions(day: Day) -> Iterator[Result]:
    return installation.versions(list(installation.EXTRAS))


def _on_tensorrt(day: Day) -> Sequence[Target]:
    return [target for target in day.targets if isinstance(target.backend, TensorRtBackend)]


def _foreign(day: Day) -> Iterator[Result]:
    for target in _on_tensorrt(day):
        yield from plans.foreign(day.made_on(target, RECURRENT), day.made_on(target, OTHER))


def _truncated(day: Day) -> Iterator[Result]:
    for target in _on_tensorrt(day):
        yield from plans.truncated(day.made_on(target, RECURRENT))


def _fallback(day: Day) -> Iterator[Result]:
    cuda = [target for target in day.targets if target.name == "cuda"]
    if not cuda:
        yield skipped("", NO_CUDA)
    for target in cuda:
        yield from onnxruntime_cuda.fallback_refused(target, day.folder)


def _serving(day: Day) -> Iterator[Result]:
    """The best TensorRT that is there: what ``auto`` takes."""
    target = _on_tensorrt(day)[:1]
    if not target:
        yield skipped("", "no TensorRT can run here: see preflight")
    for each in target:
        yield from serving.serve_while_building(each, day.folder, day.extent.ready_s, fake=bool(day.fakes))


def _left(day: Day) -> Iterator[Result]:
    for fake in day.fakes:
        told = [*fake.device.broken, *fake.device.leaks()]
        yield held(not told, fake.libraries.name, "; ".join(told))
    if not day.fakes:
        yield skipped("", "only the fake keeps a book of all that was made; memory-streams measures it")


def _plan(way: Way) -> bool:
    return way.has_plan


def _int8(way: Way) -> bool:
    return way.has_plan and way.candidate.precision == "int8"


def _cuda(way: Way) -> bool:
    return way.target.name == "cuda"


CHECKS = (
    Check("preflight", "the driver and GPU, and each backend with why not and the fix"),
    Check("installation", "installed versions are the pinned ones", once=_versions, real=True),
    Check("build", "a plan is built in a process of its own, progress grows", each=plans.build, takes=_plan),
    Check("cache-hit", "the second build finds the first one's plan", each=plans.cache_hit, takes=_plan),
    Check("truncated-plan", "half a plan is refused and built again, once", once=_truncated),
    Check("foreign-plan", "another model's plan is refused and built again, once", once=_foreign),
    Check("sample", "the model's own sample comes out", each=numbers.sample, takes=lambda way: True),
    Check(
        "parity", "like ONNX Runtime's fp32 at each shape, without and with CUDA graph", each=numbers.parity
    ),
    Check("recurrent", "60 steps with the state on the device", each=numbers.recurrent),
    Check("latency", "p50, p95, p99 per shape with both copies, and the budget", each=costs.latency),
    Check(
        "memory-runs", "device memory does not grow over runs that change shape", each=costs.memory_over_runs
    ),
    Check("memory-streams", "nor over streams that come and go", each=costs.memory_over_streams),
    Check(
        "concurrent", "4 and 16 streams at once give what each gives alone; frames/s", each=numbers.concurrent
    ),
    Check(
        "cuda-strict",
        "ONNX Runtime really runs on CUDA",
        each=onnxruntime_cuda.strict,
        takes=_cuda,
        real=True,
    ),
    Check("cuda-fallback", "a node for the CPU is refused, not moved there", once=_fallback, real=True),
    Check("int8-layers", "int8 plans compute in int8", each=layers.int8_layers, takes=_int8, real=True),
    Check("nvenc", "NVENC encodes through PyAV", once=lambda day: video.nvenc(), real=True),
    Check("nvdec", "NVDEC decodes through PyAV", once=lambda day: video.nvdec(), real=True),
    Check(
        "serving",
        "auto in a generator: at once, MODEL_READY, new streams, Control, no frame lost",
        once=_serving,
    ),
    Check("left-over", "nothing was misused or left on the GPU by any check", once=_left),
)
NAMES = tuple(check.name for check in CHECKS)
