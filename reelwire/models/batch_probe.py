"""What batches of a model give and cost, tried when it is loaded: nothing of it is guessed.

Exactness: batches of different pictures, states carried over a few steps, compared with the same runs alone
in every output and state. Gain: frames per second in batches against runs alone, side by side on the usable
cores as they would be otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import quantiles

import numpy as np

from reelwire.engines.backend import Array, Engine
from reelwire.engines.host_stream import HostStream
from reelwire.engines.rows import BatchRows, same_bits
from reelwire.engines.wrapper import WrappedEngine
from reelwire.errors import ModelUnusable, ReelwireError
from reelwire.media import Pixels
from reelwire.models.fidelity import max_abs_error
from reelwire.models.probe import Trial, probe_size
from reelwire.models.recurrent import StatefulRunner
from reelwire.models.spec import ModelSpec

LENGTHS = (1, 2, 3, 7)
"""Batches that are compared, beside the largest that is allowed."""
STEPS = 3
"""Runs of each stream where there are states to carry."""
COMPARE_S = 1.0
"""Most time for comparing; a model that takes longer is not batched."""
MEASURE_S = 0.5
"""Time for measuring, but for one round at least: a model waits for it before its first frame."""
MOST_ROUNDS = 9
CLOSE = (1.0, 1.5)
"""Gains between which more rounds are measured: outside of it one round says enough."""
ALONE = 4
"""Runs alone in one round."""
MEASURED_SIZES = ((180, 320), (96, 160))
"""Heights and widths: the first at which a round fits into the time, else the probe's own."""

Arrays = Mapping[str, Array]


class _Recorder(WrappedEngine):
    """Keeps what went in and came out, states too."""

    def __init__(self, inner: Engine) -> None:
        super().__init__(inner)
        self.runs: list[tuple[dict[str, Array], dict[str, Array]]] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As ``Engine``."""
        outputs = self.inner.run(inputs)
        self.runs.append((dict(inputs), dict(outputs)))  # a stream takes its states out
        return outputs

    def stream(self, states: Mapping[str, str]) -> HostStream:
        """As ``Engine``."""
        return HostStream(self.run, states)


@dataclass(frozen=True, slots=True)
class Likeness:
    """``error``: the largest absolute difference from runs alone, inf where shapes differ or a run failed.
    ``where``: in a part of a sentence, empty where all is bit for bit."""

    exact: bool
    error: float = 0.0
    where: str = ""


@dataclass(frozen=True, slots=True)
class Gain:
    """``times`` as many frames per second in batches of ``length`` as alone."""

    times: float
    length: int


def compare(engine: Engine, spec: ModelSpec, rows: BatchRows, max_batch: int) -> Likeness:
    """Batches against runs alone. Stops at the first that is not even of the same shape. ReelwireError: a run
    alone failed, or comparing took over ``COMPARE_S``."""
    end_s = time.monotonic() + COMPARE_S
    lengths = sorted({length for length in LENGTHS if length < max_batch} | {max_batch})
    steps = STEPS if spec.states else 1
    size = probe_size(spec.picture_input, spec.multiple, spec.min_size)
    traces = []
    for seed in range(lengths[-1]):
        traces.append(_trace(engine, spec, [_picture(spec, size, seed, step) for step in range(steps)]))
        _check_time(end_s)
    found = Likeness(True)
    for length in lengths:
        batch = traces[:length]
        try:
            found = _worse(found, _one_length(engine, spec, rows, batch))
        except ReelwireError as error:
            return Likeness(False, np.inf, f"a batch of {length} failed: {error.message}")
        if not np.isfinite(found.error):
            return found
        _check_time(end_s)
    return found


def _check_time(end_s: float) -> None:
    if time.monotonic() > end_s:
        raise ModelUnusable(f"comparing took over {COMPARE_S:g} s")


def _trace(engine: Engine, spec: ModelSpec, pictures: Sequence[Pixels]) -> list[tuple[Arrays, Arrays]]:
    recorder = _Recorder(engine)
    runner = StatefulRunner(Trial(recorder, spec))
    for picture in pictures:
        runner.run({spec.picture_input.name: spec.to_tensor(picture)})
    return list(recorder.runs)


def _one_length(
    engine: Engine, spec: ModelSpec, rows: BatchRows, traces: Sequence[list[tuple[Arrays, Arrays]]]
) -> Likeness:
    """All steps of one batch, with the states that it gave itself."""
    found = Likeness(True)
    carried: list[Arrays] = [{} for _ in traces]
    for step in range(len(traces[0])):
        inputs = [{**trace[step][0], **states} for trace, states in zip(traces, carried, strict=True)]
        parts = rows.scatter(engine.run(rows.gather(inputs)), [rows.count(each) for each in inputs])
        for trace, part in zip(traces, parts, strict=True):
            found = _worse(found, _likeness(trace[step][1], part, len(traces)))
        carried = [{state.input: part[state.output] for state in spec.states} for part in parts]
    return found


def _likeness(wanted: Arrays, got: Arrays, length: int) -> Likeness:
    if same_bits(wanted, got):
        return Likeness(True)
    error = max_abs_error(wanted, got)
    return Likeness(False, error, f"a batch of {length} is off runs alone by up to {error:.3g}")


def _worse(one: Likeness, other: Likeness) -> Likeness:
    return max(one, other, key=lambda likeness: (not likeness.exact, likeness.error))


def measure(engine: Engine, spec: ModelSpec, rows: BatchRows, max_batch: int, side_by_side: int) -> Gain:
    """The best length of batch, ``side_by_side`` inferences at once both ways: a frame's time alone to that
    in a batch, of interleaved rounds the lower quartile."""
    lengths = sorted({2, max_batch})
    feeds = _feeds(engine, spec, max_batch, ALONE + sum(lengths))
    ratios: dict[int, list[float]] = {length: [] for length in lengths}
    with ThreadPoolExecutor(side_by_side) as pool:

        def frame_s(count: int, length: int) -> float:
            began = time.perf_counter()
            works = [
                pool.submit(_in_batches, engine, rows, feeds[:count], length) for _ in range(side_by_side)
            ]
            for work in works:
                work.result()
            return (time.perf_counter() - began) / count

        for length in lengths:  # the first of a shape takes longer
            frame_s(length, length)
        end_s = time.monotonic() + MEASURE_S
        for _ in range(MOST_ROUNDS):
            alone_s = frame_s(min(ALONE, max_batch), 1)
            for length in lengths:
                ratios[length].append(alone_s / frame_s(length, length))
            if time.monotonic() > end_s or not _is_close(ratios):
                break
    gains = {length: _surely(found) for length, found in ratios.items()}
    best = max(gains, key=lambda length: gains[length])
    return Gain(gains[best], best)


def _is_close(ratios: Mapping[int, Sequence[float]]) -> bool:
    """More rounds could change what is decided."""
    return any(CLOSE[0] < _surely(found) < CLOSE[1] for found in ratios.values())


def _surely(ratios: Sequence[float]) -> float:
    """The lower quartile: others at work on the machine shake single rounds, a gain must show in most."""
    return quantiles(ratios, n=4, method="inclusive")[0] if len(ratios) > 1 else ratios[0]


def _in_batches(engine: Engine, rows: BatchRows, feeds: Sequence[Arrays], length: int) -> None:
    """All of ``feeds``, so many at a time, with the laying together and taking apart that it costs."""
    for first in range(0, len(feeds), length):
        batch = feeds[first : first + length]
        if len(batch) == 1:
            engine.run(batch[0])
        else:
            rows.scatter(engine.run(rows.gather(batch)), [rows.count(each) for each in batch])


def _feeds(engine: Engine, spec: ModelSpec, count: int, frames_each: int) -> list[Arrays]:
    """Inputs of ``count`` streams, warmed up, at a size at which two rounds of so many frames fit into the
    time: the first warms up."""
    small = probe_size(spec.picture_input, spec.multiple, spec.min_size)
    inputs = _trace(engine, spec, [_picture(spec, small, 0, 0)])[0][0]
    began = time.perf_counter()
    engine.run(inputs)
    pixel_s = (time.perf_counter() - began) / (small[0] * small[1])
    most_pixels = MEASURE_S / 2 / frames_each / pixel_s
    fitting = (_fit(spec, size) for size in MEASURED_SIZES)
    size = next((size for size in fitting if size[0] * size[1] <= most_pixels), small)
    return [_trace(engine, spec, [_picture(spec, size, seed, 0)])[0][0] for seed in range(count)]


def _fit(spec: ModelSpec, size: tuple[int, int]) -> tuple[int, int]:
    """The nearest size that the model takes, not above ``size`` where it is free."""
    picture = spec.picture_input
    height, width = (
        max(spec.min_size, min(side, spec.max_size)) // spec.multiple * spec.multiple for side in size
    )
    return picture.height or max(height, spec.multiple), picture.width or max(width, spec.multiple)


def _picture(spec: ModelSpec, size: tuple[int, int], seed: int, step: int) -> Pixels:
    """A window of (T, H, W, 3) uint8 RGB: slopes, edges and grain that move on with each frame, and differ
    with ``seed`` in all of it."""
    random = np.random.default_rng(seed)
    angle, phase = random.uniform(0, 2 * np.pi, 3), random.uniform(0, 2 * np.pi, 3)
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)[..., None] / np.float32(16)
    frames = []
    for frame in range(spec.window.frames):
        moved = phase + 0.3 * (step + frame)
        waves = np.sin(rows * np.cos(angle) + columns * np.sin(angle) + moved)
        edges = np.where(np.sin(columns / 2 + moved[0]) > 0.6, 60.0, 0.0)
        grain = random.normal(0, 6, (*size, 3))
        frames.append(np.clip(120 + 90 * waves + edges + grain, 0, 255).astype(np.uint8))
    return np.stack(frames)
