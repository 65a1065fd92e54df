"""How fast engines run one model here and now: a few runs of each, one after the other in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelwire.engines.backend import Array, Engine
from reelwire.errors import ReelwireError
from reelwire.models.recurrent import StatefulRunner
from reelwire.models.sample import Sample
from reelwire.models.spec import ModelSpec

ROUNDS = 15
BUDGET_S = 0.9
"""For all runs of a race together; what is under way is not broken off."""
SIZES = ((360, 640), (144, 256), (64, 96))
"""Height and width of the frame that is run, the first that fits into the budget. Noise: no part of it is
easier than another."""

Outputs = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Runner:
    """A model as a ``StatefulRunner`` takes it."""

    engine: Engine
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Timed:
    """``ms``: of one run, the fastest, which other work on the machine shakes least; None where it failed,
    ``problem`` says how. ``first``: what the first run gave."""

    ms: float | None
    first: Outputs
    problem: str = ""


class Work:
    """Runs of one engine on the same input, state carried from each to the next."""

    def __init__(self, engine: Engine, spec: ModelSpec, feeds: Mapping[str, Array]) -> None:
        self._model = Runner(engine, spec)
        self._runner: StatefulRunner | None = None
        self._feeds = feeds

    def run(self) -> Outputs:
        """One. Raises as ``StatefulRunner.run``, and as ``Engine.stream`` on the first."""
        self._runner = self._runner or StatefulRunner(self._model)
        return self._runner.run(self._feeds)

    def close(self) -> None:
        """Frees what the engine keeps for it."""
        if self._runner is not None:
            self._runner.close()


def feeds_of(
    spec: ModelSpec, sample: Sample | None, reference: Engine, racers: int
) -> Mapping[str, Array] | None:
    """What each of so many engines will run: a frame of noise that fits into the budget by the reference's
    time; for a model without a picture the sample's inputs. None: it has neither."""
    if spec.image_input is None:
        if sample is None:
            return None
        states = {state.input for state in spec.states}
        return {name: array for name, array in sample.inputs.items() if name not in states}
    *larger, small = (_frame(spec, *size) for size in SIZES)
    (timed,) = race([Work(reference, spec, small)], rounds=2)
    if timed.ms is None:
        return small
    value_s = timed.ms / 1000 / _size(small)
    fitting = (feeds for feeds in larger if value_s * _size(feeds) * racers * 2 < BUDGET_S)
    return next(fitting, small)  # a warm-up and a round of each


def _size(feeds: Mapping[str, Array]) -> int:
    return sum(array.size for array in feeds.values())


def race(works: Sequence[Work], rounds: int = ROUNDS) -> list[Timed]:
    """Each once to warm up, then in turn, at most ``rounds`` times each and at least once. Closes them."""
    until = time.monotonic() + BUDGET_S
    first = [_tried(work) for work in works]
    took: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        for work, found, times in zip(works, first, took, strict=True):
            if isinstance(found, str) or (number and time.monotonic() > until):
                continue
            began = time.perf_counter()
            if isinstance(again := _tried(work), str):
                first[works.index(work)] = again
            times.append(1000 * (time.perf_counter() - began))
    for work in works:
        work.close()
    return [
        Timed(None, {}, found) if isinstance(found, str) else Timed(min(times), found)
        for found, times in zip(first, took, strict=True)
    ]


def _tried(work: Work) -> Outputs | str:
    """What came out, or why nothing did."""
    try:
        return work.run()
    except ReelwireError as error:
        return error.message


def _frame(spec: ModelSpec, height: int, width: int) -> Mapping[str, Array]:
    picture = spec.picture_input
    sides = [
        fixed or min(max(side, spec.min_size), spec.max_size)
        for fixed, side in ((picture.height, height), (picture.width, width))
    ]
    noise = np.random.default_rng(0).integers(0, 256, (spec.window.frames, *sides, 3), np.uint8)
    return {picture.name: spec.to_tensor(noise)}
