"""Real time for inputs that have none of their own: a file under the LIVE policy comes as a camera would."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

MAX_WAIT_S = 5.0  # a longer gap in the input is not sat through: time goes on from there


class Pacer:
    """Waits until a moment of the stream is due. The first moment asked for is due at once."""

    def __init__(
        self, clock_s: Callable[[], float] = time.monotonic, sleep_s: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock_s = clock_s
        self._sleep_s = sleep_s
        self._start_s: float | None = None
        self.waited_s = 0.0

    def wait_for(self, moment: Fraction) -> None:
        """``moment``: seconds on the stream's own time."""
        now_s = self._clock_s()
        if self._start_s is None:
            self._start_s = now_s - float(moment)
        ahead_s = self._start_s + float(moment) - now_s
        if ahead_s > MAX_WAIT_S:
            self._start_s -= ahead_s - MAX_WAIT_S
            ahead_s = MAX_WAIT_S
        if ahead_s > 0:
            self._sleep_s(ahead_s)
            self.waited_s += ahead_s
