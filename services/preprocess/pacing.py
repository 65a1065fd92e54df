"""Real time. Under the LIVE policy a file comes as a camera would. What is waited for is no work; what was
due too long ago is not worked on.

The clock (seconds, monotonic) and the sleep are arguments.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

MAX_WAIT_S = 5.0  # a longer gap in the input is not sat through, nor caught up: time goes on from there
MAX_BEHIND_S = 0.1  # a frame that is due for longer makes way for those after it
FRUITLESS_DROPS = (
    8  # in a row: where they gained nothing the decoder is what is slow, and dropping is no help
)
WAITED_US = 1000  # for the input: then nothing lies ahead of the frame that came
Result = TypeVar("Result")


class IdleClock:
    """How long there was nothing to do, because the next frame had not happened yet."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.clock_s = clock_s
        self._idle_s = 0.0

    @property
    def idle_us(self) -> int:
        """Microseconds so far."""
        return int(self._idle_s * 1_000_000)

    def during(self, wait: Callable[[], Result]) -> Result:
        """Calls ``wait``; counts the time it took."""
        start_s = self.clock_s()
        try:
            return wait()
        finally:
            self._idle_s += self.clock_s() - start_s


class Pacer:
    """When each moment of a stream is due; the first one asked for is due at once.

    ``sleep_s`` None: the input comes as it happens, so nothing is waited for, and what was waited for in
    reading it is in time, whatever clock its sender has.
    """

    def __init__(self, idle: IdleClock, sleep_s: Callable[[float], None] | None = time.sleep) -> None:
        self._idle = idle
        self._sleep_s = sleep_s
        self._start_s: float | None = None
        self._idle_us = idle.idle_us
        self._drops = 0  # in a row
        self._first_drop_s = 0.0
        self._tries = FRUITLESS_DROPS
        self.behind_us = 0

    def wait_for(self, moment: Fraction) -> None:
        """Until it is due. ``moment``: seconds on the stream's own time."""
        ahead_s = -self._behind_s(moment)
        if self._sleep_s is None or ahead_s <= 0:
            return
        if ahead_s > MAX_WAIT_S:
            self._go_on_from(moment, MAX_WAIT_S)
            ahead_s = MAX_WAIT_S
        sleep_s = self._sleep_s
        self._idle.during(lambda: sleep_s(ahead_s))

    def is_too_late(self, moment: Fraction) -> bool:
        """True where a frame of this moment should make way. ``behind_us``: microseconds since it was due."""
        behind_s = self._behind_s(moment)
        waited, self._idle_us = self._idle.idle_us - self._idle_us > WAITED_US, self._idle.idle_us
        if self._sleep_s is None and (waited or behind_s < 0):
            self._go_on_from(moment)
        elif behind_s > MAX_BEHIND_S and not self._is_no_help(behind_s):
            self._first_drop_s = self._first_drop_s if self._drops else behind_s
            self._drops += 1
            return True
        elif behind_s > MAX_BEHIND_S:
            self._go_on_from(moment)
            self._tries = 1  # once will be enough to see it again
        self._drops = 0
        self.behind_us = max(0, int(self._behind_s(moment) * 1_000_000))
        return False

    def _is_no_help(self, behind_s: float) -> bool:
        fruitless = self._drops >= self._tries and behind_s >= self._first_drop_s
        return fruitless or behind_s > MAX_WAIT_S

    def _behind_s(self, moment: Fraction) -> float:
        if self._start_s is None:
            self._go_on_from(moment)
        assert self._start_s is not None
        return self._idle.clock_s() - self._start_s - float(moment)

    def _go_on_from(self, moment: Fraction, in_s: float = 0.0) -> None:
        """The moment is due ``in_s`` from now, and all that follow after it."""
        self._start_s = self._idle.clock_s() + in_s - float(moment)
