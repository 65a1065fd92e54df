"""How far a build is: TensorRT's nested phases as one number that only grows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

LEAST_STEP = 0.002
"""Smaller advances within one phase are not told: a large network has hundreds of thousands."""
SHARE_OF_A_PHASE = 0.5
"""Of what is left of its parent's step: how many phases will follow within it, nobody says."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``fraction`` from 0 to 1; ``phase`` in the library's words."""

    fraction: float
    phase: str


OnProgress = Callable[[Progress], None]


@dataclass(slots=True)
class _Phase:
    """Takes the fractions from ``start`` to ``end``, in ``steps`` steps."""

    start: float
    end: float
    steps: int
    done: int = 0

    @property
    def position(self) -> float:
        """Where the last finished step ends."""
        return self.start + (self.end - self.start) * min(self.done, self.steps) / self.steps

    @property
    def next_position(self) -> float:
        """Where the step under way ends."""
        return self.start + (self.end - self.start) * min(self.done + 1, self.steps) / self.steps


class Phases:
    """Phases that start, step and finish, in any order and from any thread; what is told only grows."""

    def __init__(self, tell: OnProgress) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._reached = 0.0
        self._told = Progress(0.0, "")

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """``parent``: the phase within whose current step it is; None: of the whole."""
        with self._lock:
            within = self._phases.get(parent or "")
            begin, end = self._reached, 1.0
            if within is not None:
                end = max(begin, within.next_position)
                end = begin + (end - begin) * SHARE_OF_A_PHASE
            self._phases[name] = _Phase(begin, end, max(1, steps))
            self._advance(begin, name)

    def step(self, name: str, step: int) -> None:
        """Step number ``step``, from 0, is done."""
        with self._lock:
            phase = self._phases.get(name)
            if phase is not None:
                phase.done = max(phase.done, step + 1)
                self._advance(phase.position, name)

    def finish(self, name: str) -> None:
        """All of it is done."""
        with self._lock:
            phase = self._phases.pop(name, None)
            if phase is not None:
                self._advance(phase.end, name)

    def _advance(self, position: float, name: str) -> None:
        self._reached = max(self._reached, min(position, 1.0))
        if name != self._told.phase or self._reached - self._told.fraction >= LEAST_STEP:
            self._told = Progress(self._reached, name)
            self._tell(self._told)


class Monitor(Protocol):
    """What ``progress_monitor`` makes; it is an ``IProgressMonitor`` too. ``problem``: what was raised while
    it told; the build was ended for it."""

    problem: BaseException | None


def progress_monitor(trt: Any, tell: OnProgress) -> Monitor:
    """A monitor over the library's own class. An exception must not pass through the library, which would
    end the process: it is kept, and the build ends at its next step."""

    class ProgressMonitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.problem: BaseException | None = None
            self._phases = Phases(tell)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._guarded(lambda: self._phases.start(phase_name, parent_phase, num_steps))

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._guarded(lambda: self._phases.step(phase_name, step))
            return self.problem is None

        def phase_finish(self, phase_name: str) -> None:
            self._guarded(lambda: self._phases.finish(phase_name))

        def _guarded(self, do: Callable[[], None]) -> None:
            try:
                do()
            except BaseException as error:  # raised again by build_plan
                self.problem = self.problem or error

    made: Monitor = ProgressMonitor()
    return made
