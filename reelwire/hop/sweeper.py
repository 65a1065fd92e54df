"""Rings that a killed process has left behind are removed by whoever starts, or sees a peer die."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from contextlib import suppress

from reelwire.hop.ring_file import sweep
from reelwire.hop.rings import PixelPolicy

log = logging.getLogger(__name__)

AFTER_S = (0.0, 0.3, 1.2)  # the system may still be taking the dead process's files away


class Sweeper:
    """Runs on the event loop, sweeps on ``executor``."""

    def __init__(self, policy: PixelPolicy, executor: Executor) -> None:
        self._policy = policy
        self._executor = executor
        self._timers: list[asyncio.TimerHandle] = []

    def now(self) -> None:
        """Sweeps on the calling thread: not on the event loop."""
        if self._policy.shares:
            removed = sweep(self._policy.folder)
            if removed:
                log.info("removed %d rings of processes that are gone from %s", removed, self._policy.folder)

    def soon(self) -> None:
        """A peer may have died: sweeps at once and twice more shortly after."""
        self.stop()
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(after_s, self._start) for after_s in AFTER_S]

    def _start(self) -> None:
        with suppress(RuntimeError):  # the process is on its way out: its last sweep is ``now``
            self._executor.submit(self.now)

    def stop(self) -> None:
        """Forgets what was to come."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
