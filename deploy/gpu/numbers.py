"""Whether what comes out is what ONNX Runtime's fp32 gives: at each shape, over time, beside others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from deploy.gpu.report import Figures, Result, held, passed
from deploy.gpu.subjects import Feeds, Shape, WatchedEngine, Way
from reelwire.engines.backend import Array
from reelwire.engines.rows import same_bits
from reelwire.models.fidelity import least_psnr_db, max_abs_error
from reelwire.models.sample import check_sample

Outputs = dict[str, Array]


def sample(way: Way) -> Iterator[Result]:
    """The model's own, by the rule of services."""
    if way.model.sample is None:
        return
    with way.opened() as engine:
        yield passed(psnr_db=check_sample(engine, way.model.sample, way.model.floor_db))


def parity(way: Way) -> Iterator[Result]:
    """At each shape: a run without a CUDA graph, then one recorded."""
    with way.opened() as engine:
        for shape in way.shapes:
            yield from _parity_at(way, engine, shape)


def _parity_at(way: Way, engine: WatchedEngine, shape: Shape) -> Iterator[Result]:
    with way.stream(engine) as ours, way.stream(way.model.reference) as reference:
        stream = engine.made[-1]
        for run, name in enumerate(("eager", "CUDA graph") if way.has_plan else ("run",)):
            feeds = way.model.feeds(shape, start=run)
            wanted, got = reference.run(feeds), ours.run(feeds)
            if run and getattr(stream, "captures", 0) != 1:
                why = "the second run was not recorded, see the warning in the log"
                yield held(False, f"{shape} {name}", why)
                continue
            likeness = least_psnr_db(wanted, got)
            yield held(
                likeness >= way.floor_db,
                f"{shape} {name}",
                f"less like fp32 than {way.floor_db:g} dB",
                psnr_db=likeness,
                max_abs_error=float(max_abs_error(wanted, got)),
            )


def recurrent(way: Way) -> Iterator[Result]:
    """State carried on the device, over a second or two of video."""
    if not way.model.spec.states:
        return
    shape, steps = way.shapes[0], way.extent.parity_steps
    worst, largest = float("inf"), 0.0
    with way.opened() as engine, way.stream(engine) as ours, way.stream(way.model.reference) as reference:
        for step in range(steps):
            feeds = way.model.feeds(shape, start=step)
            wanted, got = reference.run(feeds), ours.run(feeds)
            worst = min(worst, least_psnr_db(wanted, got))
            largest = max(largest, float(max_abs_error(wanted, got)))
        states = least_psnr_db(reference.state(), ours.state())
    yield held(
        min(worst, states) >= way.floor_db,
        f"{shape}",
        f"less like fp32 than {way.floor_db:g} dB at its worst step or in its last state",
        steps=steps, least_psnr_db=worst, state_psnr_db=states, max_abs_error=largest,
    )  # fmt: skip


def concurrent(way: Way) -> Iterator[Result]:
    """Streams side by side, each on a thread of its own and on frames of its own, bit for bit as alone."""
    shape, steps = way.shapes[0], way.extent.steps_each
    with way.opened() as engine:
        for count in way.extent.streams:
            clips = [[way.model.feeds(shape, start=n + step) for step in range(steps)] for n in range(count)]
            alone = [_run_all(way, engine, clip) for clip in clips]
            began = time.perf_counter()
            with ThreadPoolExecutor(count) as threads:
                together = list(threads.map(lambda clip: _run_all(way, engine, clip), clips))
            took_s = time.perf_counter() - began
            differing = [n for n in range(count) if not _same(alone[n], together[n])]
            speed: Figures = {"frames_per_s": count * steps * shape.batch / took_s}
            yield held(
                not differing,
                f"{count} streams {shape}",
                f"streams {differing} differ from their runs alone",
                **({} if way.extent.no_speed else speed),
            )


def _run_all(way: Way, engine: WatchedEngine, clip: Sequence[Feeds]) -> list[Outputs]:
    with way.stream(engine) as stream:
        return [stream.run(feeds) for feeds in clip]


def _same(one: list[Outputs], other: list[Outputs]) -> bool:
    return len(one) == len(other) and all(map(same_bits, one, other))
