"""Which runs start together, and when: a pure state machine without threads or clock."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar


@dataclass(eq=False)
class Waiting:
    """One run that waits. ``rows`` of its batch axis; ``due_s``: when it starts without more company, set on
    arrival."""

    key: Hashable
    rows: int
    due_s: float = 0.0


W = TypeVar("W", bound=Waiting)


class Gathering(Generic[W]):
    """Runs with one key gather; the oldest that is due, or whose group is full, starts first.

    A run that finds a slot free and nobody waiting is due at once: one stream alone never waits. Any other
    is due ``delay_s`` after its arrival. At most ``slots`` batches run at once, each of ``max_rows`` rows at
    most; a run of more rows runs alone. What waits is bounded by the threads that call.
    """

    def __init__(self, slots: int, max_rows: int, delay_s: float) -> None:
        self._slots, self._max_rows, self._delay_s = slots, max_rows, delay_s
        self._running = 0
        self._queue: list[W] = []  # in order of arrival

    def arrive(self, run: W, now_s: float) -> None:
        """It waits from now on; ``start`` says when it starts."""
        idle = self._running < self._slots and not self._queue
        run.due_s = now_s if idle else now_s + self._delay_s
        self._queue.append(run)

    def start(self, now_s: float) -> list[W]:
        """What starts now, in order of arrival: a batch, which holds a slot until ``finish``; empty: none."""
        if self._running >= self._slots:
            return []
        for batch, full in self._groups():
            if full or batch[0].due_s <= now_s:
                taken = set(map(id, batch))
                self._queue = [run for run in self._queue if id(run) not in taken]
                self._running += 1
                return batch
        return []

    def finish(self) -> None:
        """A batch has ended."""
        self._running -= 1

    def leave(self, run: W) -> bool:
        """It waits no more; False where it has started."""
        if run not in self._queue:
            return False
        self._queue.remove(run)
        return True

    def leave_all(self) -> list[W]:
        """Nobody waits any more; gives those who did."""
        left, self._queue = self._queue, []
        return left

    def _groups(self) -> Iterator[tuple[list[W], bool]]:
        """For each key, by its oldest run: what would start together, and whether no more would fit."""
        seen: set[Hashable] = set()
        for first in self._queue:
            if first.key in seen:
                continue
            seen.add(first.key)
            batch: list[W] = []
            rows = 0
            full = False
            for run in self._queue:
                if run.key != first.key:
                    continue
                if batch and rows + run.rows > self._max_rows:
                    full = True
                    break
                batch.append(run)
                rows += run.rows
            yield batch, full or rows >= self._max_rows
