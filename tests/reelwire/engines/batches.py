"""Streams that run at once over one engine, with batches whose members a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelwire.engines import open_engine
from reelwire.engines.backend import Array, Engine
from reelwire.engines.batching import BatchingEngine, BatchLimits
from reelwire.engines.rows import BatchRows, same_bits
from reelwire.engines.wrapper import WrappedEngine

LONG_S = 60.0
"""A liveness bound; what it bounds takes milliseconds."""
POOL = ThreadPoolExecutor(32)
Outputs = dict[str, Array]
Feeds = Mapping[str, Array]


class Gate(WrappedEngine):
    """Notes the rows of each inference; while it is shut an inference waits in it."""

    def __init__(self, inner: Engine, counted: str) -> None:
        super().__init__(inner)
        self._counted = counted
        self._open = threading.Event()
        self._open.set()
        self.entered = threading.Semaphore(0)
        self.rows: list[int] = []
        self.fails: Callable[[Feeds], bool] = lambda inputs: False

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def run(self, inputs: Feeds) -> Outputs:
        self.rows.append(inputs[self._counted].shape[0])
        self.entered.release()
        assert self._open.wait(LONG_S)
        if self.fails(inputs):
            raise ArithmeticError("planted")
        return self.inner.run(inputs)


@dataclass
class Bench:
    """An engine in batches over a gate. ``held``: a run of another shape, which keeps the one slot."""

    gate: Gate
    engine: BatchingEngine
    solo: Engine
    pool: ThreadPoolExecutor = POOL

    def together(self, holder: Feeds, feeds: Sequence[Feeds]) -> list[Future[Outputs]]:
        """Runs all of ``feeds`` so that they are waiting before the first of them can start: ``holder`` has
        the slot until then."""
        self.gate.shut()
        held = self.pool.submit(self.engine.run, holder)
        assert self.gate.entered.acquire(timeout=LONG_S)
        runs = []
        for count, each in enumerate(feeds, 1):  # one after the other: their order is known
            runs.append(self.pool.submit(self.engine.run, each))
            wait_for(lambda count=count: self.waiting >= count)  # type: ignore[misc]
        self.gate.open()
        held.result(LONG_S)
        return runs

    @property
    def waiting(self) -> int:
        """Runs that wait in the engine."""
        with self.engine._lock:
            return len(self.engine._gathering._queue)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; fails after ``LONG_S``."""
    tick = threading.Event()
    for _ in range(int(LONG_S * 1000)):
        if condition():
            return
        tick.wait(0.001)
    raise AssertionError("it never came")


def bench(
    path: Path,
    stacked: tuple[str, ...],
    *,
    kind: type[BatchingEngine] = BatchingEngine,
    rows: BatchRows | None = None,
    max_rows: int = 8,
    checked: bool = False,
) -> Bench:
    """Over the model at ``path``, one inference at once, without a delay: all that wait when it ends start
    together. ``checked``: the first batch of a shape is compared with runs alone."""
    solo = open_engine(path)
    gate = Gate(open_engine(path), stacked[0])
    limits = BatchLimits(max_rows, 0.0, 1)
    engine = kind(gate, rows or BatchRows(stacked), limits, same_bits if checked else None)
    return Bench(gate, engine, solo)


def random_pictures(count: int, height: int = 12, width: int = 16, seed: int = 3) -> list[Array]:
    """(1, 3, height, width) each, all different."""
    random = np.random.default_rng(seed)
    return [random.random((1, 3, height, width), np.float32) for _ in range(count)]
