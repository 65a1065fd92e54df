"""Real time. Under the LIVE policy a file comes as a camera would; what is waited for is no work.

The clock (seconds, monotonic) and the sleep are arguments.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

MAX_WAIT_S = 5.0  # a longer gap in the input is not sat through: time goes on from there
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
    """Waits until a moment of the stream is due. The first moment asked for is due at once."""

    def __init__(self, idle: IdleClock, sleep_s: Callable[[float], None] = time.sleep) -> None:
        self._idle = idle
        self._sleep_s = sleep_s
        self._start_s: float | None = None

    def wait_for(self, moment: Fraction) -> None:
        """``moment``: seconds on the stream's own time."""
        now_s = self._idle.clock_s()
        if self._start_s is None:
            self._start_s = now_s - float(moment)
        ahead_s = self._start_s + float(moment) - now_s
        if ahead_s > MAX_WAIT_S:
            self._start_s -= ahead_s - MAX_WAIT_S
            ahead_s = MAX_WAIT_S
        if ahead_s > 0:
            self._idle.during(lambda: self._sleep_s(ahead_s))
