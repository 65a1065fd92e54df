"""When small messages wait for each other: under load, where each message costs more than what is in it.

A chunk waits at most 5 ms, and only where the one before went less than 5 ms ago. Where nothing came to wait
with, as for a caller that waits for each frame before it sends the next, waiting stops for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reelwire.hop.clock import now_us

WAIT_US = 5000
PAUSE_MESSAGES, LONGEST_PAUSE = 64, 4096  # after waiting in vain; twice as long each time


class Gathering:
    """Of one lane. ``most``: chunks that go together; 1: none waits. Runs on the event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._went_us = 0
        self._pause = PAUSE_MESSAGES
        self._paused = 0
        self._over = False
        self._timer: asyncio.TimerHandle | None = None

    def went(self, chunks: int) -> None:
        """So many are written together."""
        self._went_us = now_us()
        if self._paused:
            self._paused -= 1
        elif chunks > 1:
            self._pause = PAUSE_MESSAGES
        elif self._over:
            self._paused, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        self._over = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def stop(self) -> None:
        """Nothing more follows: nothing waits."""
        self._most = 1

    def may_wait(self, ready: int) -> bool:
        """``ready``: chunks that could go now."""
        if not 0 < ready < self._most or self._paused or self._over:
            return False
        return now_us() - self._went_us < WAIT_US

    def wait(self, wake: Callable[[], None]) -> None:
        """Wakes the lane when the time is over."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAIT_US / 1e6, self._end, wake)

    def _end(self, wake: Callable[[], None]) -> None:
        self._timer, self._over = None, True
        wake()
