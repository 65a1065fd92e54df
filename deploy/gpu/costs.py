"""What a run costs: time there and back, and memory on the device that must not grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from deploy.gpu.report import Result, held, skipped
from deploy.gpu.subjects import Feeds, Shape, Way
from reelwire.engines.tensorrt.cuda import Cuda
from reelwire.models.recurrent import StatefulRunner

WARM_RUNS = 3
"""The first without a CUDA graph, the second records it."""
BUDGET_SHAPE = Shape(1, 360, 640)
PERCENTILES = (50, 95, 99)


def latency(way: Way) -> Iterator[Result]:
    """Of one run from host memory to host memory: both copies are in it."""
    with way.opened() as engine:
        for shape in way.shapes:
            feeds = way.model.feeds(shape)
            with way.stream(engine) as stream:
                for _ in range(WARM_RUNS):
                    stream.run(feeds)
                times_ms = [_timed_ms(stream, feeds) for _ in range(way.extent.timed_runs)]
            p50, p95, p99 = (float(np.percentile(times_ms, each)) for each in PERCENTILES)
            if way.extent.no_speed:
                yield skipped(f"{shape}", way.extent.no_speed, runs=way.extent.timed_runs)
                continue
            bound = shape in way.model.shapes((BUDGET_SHAPE,))
            yield held(
                not bound or p99 <= way.extent.budget_ms,
                f"{shape}",
                f"p99 is above the budget of {way.extent.budget_ms:.1f} ms",
                p50_ms=p50, p95_ms=p95, p99_ms=p99, runs=way.extent.timed_runs,
            )  # fmt: skip


def memory_over_runs(way: Way) -> Iterator[Result]:
    """Over many runs that change between two shapes, each change with new memory and a new recording."""
    shapes = way.shapes[:2]
    feeds = [way.model.feeds(shape) for shape in shapes]
    with way.opened() as engine, way.stream(engine) as stream:

        def runs(count: int) -> None:
            for run in range(count):
                if run % 10 == 0 and way.model.spec.states:
                    stream.reset()  # a state has one size
                stream.run(feeds[run // 10 % len(feeds)])

        runs(10 * len(feeds))
        yield _grown(way, f"{way.extent.memory_runs} runs", lambda: runs(way.extent.memory_runs))


def memory_over_streams(way: Way) -> Iterator[Result]:
    """Over streams that come, run and go."""
    feeds = way.model.feeds(way.shapes[0])
    with way.opened() as engine:

        def streams(count: int) -> None:
            for _ in range(count):
                with way.stream(engine) as stream:
                    stream.run(feeds)
                    stream.run(feeds)
                engine.made.clear()

        streams(2)
        count = way.extent.memory_streams
        yield _grown(way, f"{count} streams", lambda: streams(count))


def _grown(way: Way, what: str, work: Callable[[], None]) -> Result:
    before = free_bytes(way)
    work()
    growth = before - free_bytes(way)
    limit = way.extent.growth_bytes
    return held(growth <= limit, what, f"more than {limit} bytes of device memory", growth_bytes=growth)


def free_bytes(way: Way) -> int:
    """Of the device, by cudaMemGetInfo: counts what every process there has."""
    return int(Cuda(way.target.libraries.cudart).call("cudaMemGetInfo"))


def _timed_ms(stream: StatefulRunner, feeds: Feeds) -> float:
    began = time.perf_counter()
    stream.run(feeds)
    return 1000 * (time.perf_counter() - began)
