"""A receiver that takes nothing for too long: one timer for a whole stream, not one for each wait."""

from __future__ import annotations

import asyncio

from reelwire.hop.clock import now_us


class Stall:
    """``is_over`` once somebody has waited for ``limit_s``; then ``wake`` is set. Runs on the event loop."""

    def __init__(self, limit_s: float, wake: asyncio.Event) -> None:
        self._limit_s = limit_s
        self._wake = wake
        self._since_us = 0
        self._timer: asyncio.TimerHandle | None = None
        self.is_over = False

    def waiting(self) -> None:
        """Somebody begins to wait for ``wake``."""
        self._since_us = now_us()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._wake.is_set():
            return  # nobody waits
        left_s = self._limit_s - (now_us() - self._since_us) / 1e6
        if left_s > 0:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._look)
        else:
            self.is_over = True
            self._wake.set()

    def stop(self) -> None:
        """The stream is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
