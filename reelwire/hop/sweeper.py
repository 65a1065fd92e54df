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
EVERY_S = 1.0  # names are gone once a stream is accepted, so there is next to nothing to look at


class Sweeper:
    """Runs on the event loop, sweeps on ``executor``."""

    def __init__(self, policy: PixelPolicy, executor: Executor) -> None:
        self._policy = policy
        self._executor = executor
        self._timers: list[asyncio.TimerHandle] = []
        self._next: asyncio.TimerHandle | None = None

    def keep_on(self) -> None:
        """Sweeps now and every second: nobody sees a peer die that has made a ring and called nobody yet."""
        if self._policy.shares:
            self._next = asyncio.get_running_loop().call_later(EVERY_S, self.keep_on)
            self._start()

    def now(self) -> None:
        """Sweeps on the calling thread: not on the event loop."""
        if self._policy.shares:
            removed = sweep(self._policy.folder)
            if removed:
                log.info("removed %d rings of processes that are gone from %s", removed, self._policy.folder)

    def soon(self) -> None:
        """A peer may have died: sweeps at once and twice more shortly after."""
        self._forget()
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(after_s, self._start) for after_s in AFTER_S]

    def _start(self) -> None:
        with suppress(RuntimeError):  # the process is on its way out: its last sweep is ``now``
            self._executor.submit(self.now)

    def stop(self) -> None:
        """Forgets what was to come."""
        self._forget()
        if self._next is not None:
            self._next.cancel()

    def _forget(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
