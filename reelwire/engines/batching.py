"""Micro-batching: runs of different streams that are ready together are one inference.

No thread of its own: of the runs of a batch the oldest's thread works for all, the others sleep until it has
their rows. Callers are worker threads; each waits for its own result, so a stream has one run here at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from reelwire.engines.backend import Array, Engine, check_inputs
from reelwire.engines.gathering import Gathering, Waiting
from reelwire.engines.host_stream import HostStream
from reelwire.engines.rows import BatchRows, same_bits
from reelwire.engines.wrapper import WrappedEngine
from reelwire.errors import Internal, ModelUnusable, Stalled

log = logging.getLogger(__name__)
LONGEST_WAIT_S = 600.0
"""A run that got no answer in that time fails: the runtime hangs."""
MOST_SHAPES = 64
"""Shapes whose batches are remembered as checked; one more forgets the one used longest ago."""

Outputs = dict[str, Array]
Agree = Callable[[Outputs, Outputs], bool]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """``max_rows`` in one inference, ``delay_s`` that a run waits for company where others are at work,
    ``slots``: inferences at once."""

    max_rows: int
    delay_s: float
    slots: int


@dataclass(eq=False)
class _Run(Waiting):
    inputs: Mapping[str, Array] = field(default_factory=dict)
    wake: threading.Condition = field(default_factory=threading.Condition)
    leads: list[_Run] = field(default_factory=list)
    outcome: Outputs | BaseException | None = None


class BatchingEngine(WrappedEngine):
    """See the top of this file. For engines whose streams are ``HostStream``: states are inputs and outputs
    of a run, so they are laid together and taken apart as all else.

    The first batch of each shape and length is checked against runs alone, by ``agree``; a shape that does
    not agree runs alone from then on. An error in a batch is the error of the run that has it alone.
    """

    def __init__(
        self, inner: Engine, rows: BatchRows, limits: BatchLimits, agree: Agree | None = same_bits
    ) -> None:
        """``agree``: whether a run's outputs in a batch are those that it has alone; None: not asked."""
        super().__init__(inner)
        self._rows = rows
        self._agree = agree
        self._lock = threading.Lock()
        self._gathering: Gathering[_Run] = Gathering(limits.slots, limits.max_rows, limits.delay_s)
        self._checked: OrderedDict[Hashable, set[int]] = OrderedDict()
        self._refused: set[Hashable] = set()
        self._closed = False

    def run(self, inputs: Mapping[str, Array]) -> Outputs:
        """As ``Engine``; waits for other streams as ``Gathering`` says. Stalled: no answer in
        ``LONGEST_WAIT_S``."""
        check_inputs(self.inputs, inputs)
        key = self._rows.key(inputs)
        with self._lock:
            if self._closed:
                raise _closed()
            key = object() if key in self._refused else key
            run = _Run(key, self._rows.count(inputs), inputs=inputs, wake=threading.Condition(self._lock))
            self._gathering.arrive(run, time.monotonic())
            self._start_all()
            self._wait(run)
        if run.leads:
            batch, run.leads = run.leads, []
            self._lead(batch)
            del batch
        if isinstance(run.outcome, BaseException):
            raise _take_error(run)
        assert run.outcome is not None
        return run.outcome

    def stream(self, states: Mapping[str, str]) -> HostStream:
        """As ``Engine``."""
        return HostStream(self.run, states)

    def close(self) -> None:
        """As ``Engine``; whoever waits gets an error."""
        with self._lock:
            self._closed = True
            for run in self._gathering.leave_all():
                run.outcome = _closed()
                run.wake.notify()
        super().close()

    def _wait(self, run: _Run) -> None:
        """Until it leads or has its outcome; the lock is held but while it sleeps."""
        end_s = time.monotonic() + LONGEST_WAIT_S
        while not run.leads and run.outcome is None:
            now_s = time.monotonic()
            if now_s >= end_s:
                self._gathering.leave(run)
                raise Stalled(f"an inference gave no answer for {LONGEST_WAIT_S:g} s; its runtime hangs")
            run.wake.wait((run.due_s if now_s < run.due_s else end_s) - now_s)
            self._start_all()

    def _start_all(self) -> None:
        """Hands what starts now to its oldest run."""
        while batch := self._gathering.start(time.monotonic()):
            batch[0].leads = batch
            batch[0].wake.notify()

    def _lead(self, batch: list[_Run]) -> None:
        outcomes: Sequence[Outputs | BaseException] = [Internal("the batch was given up") for _ in batch]
        try:
            outcomes = self._infer(batch)
        finally:
            with self._lock:
                self._gathering.finish()
                for run, outcome in zip(batch, outcomes, strict=True):
                    run.outcome = outcome
                    run.wake.notify()
                self._start_all()

    def _infer(self, batch: list[_Run]) -> Sequence[Outputs | BaseException]:
        """Each run's outputs or its error."""
        if len(batch) > 1:
            try:
                return self._together(batch)
            except Exception as error:  # whichever run it is of has it alone as well
                log.warning("a batch of %d failed, each run is tried alone: %s", len(batch), error)
        return [self._alone(run) for run in batch]

    def _together(self, batch: list[_Run]) -> Sequence[Outputs | BaseException]:
        key, rows = batch[0].key, sum(run.rows for run in batch)
        if self._is_refused(key):  # while these waited
            return [self._alone(run) for run in batch]
        outputs = self.inner.run(self._rows.gather([run.inputs for run in batch]))
        parts = self._rows.scatter(outputs, [run.rows for run in batch])
        if self._agree is None or self._is_checked(key, rows):
            return parts
        alone = [self._alone(run) for run in batch]
        agree = all(
            not isinstance(one, BaseException) and self._agree(one, part)
            for one, part in zip(alone, parts, strict=True)
        )
        self._note(key, rows, agree)
        return alone

    def _alone(self, run: _Run) -> Outputs | BaseException:
        try:
            return self.inner.run(run.inputs)
        except Exception as error:
            return error

    def _is_refused(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._refused

    def _is_checked(self, key: Hashable, rows: int) -> bool:
        with self._lock:
            if key not in self._checked:
                return False
            self._checked.move_to_end(key)
            return rows in self._checked[key]

    def _note(self, key: Hashable, rows: int, agree: bool) -> None:
        """What a first batch of this shape and length has shown."""
        with self._lock:
            if not agree:
                log.warning("batches of %d of %s are not what runs alone give: it runs alone", rows, key)
                self._refused.add(key)
            self._checked.setdefault(key, set()).add(rows)
            while len(self._checked) > MOST_SHAPES:
                self._refused.discard(self._checked.popitem(last=False)[0])


def _take_error(run: _Run) -> BaseException:
    """Its error, which it holds no more: error, traceback and run would keep each other, and its pictures."""
    error, run.outcome = run.outcome, None
    assert isinstance(error, BaseException)
    return error


def _closed() -> ModelUnusable:
    return ModelUnusable("the model was closed while a run waited for it; start the stream again")
