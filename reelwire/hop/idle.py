"""A caller that sends nothing although the stage waits for it: its stream ends, and others get the slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reelwire.errors import Stalled
from reelwire.hop.clock import now_us


class Idle:
    """Runs on the event loop. A stage that opens, works, or has something to work on is waited for."""

    def __init__(self, stage: str, limit_s: float) -> None:
        self._stage = stage
        self._limit_s = limit_s
        self._busy = True  # it opens
        self._since_us = now_us()

    def heard(self) -> None:
        """The caller sent something."""
        self._since_us = now_us()

    def works(self) -> None:
        """The stage took a chunk."""
        self._busy = True

    def rests(self) -> None:
        """The stage is open, or has done all it can with a chunk."""
        self._busy, self._since_us = False, now_us()

    async def watch(self, all_is_there: Callable[[], bool]) -> None:
        """Until the caller has sent everything. Stalled: it sent nothing for too long."""
        while not all_is_there():
            left_s = self._limit_s - (now_us() - self._since_us) / 1e6
            if left_s <= 0 and not self._busy:
                raise Stalled(
                    f"the caller sent nothing for {self._limit_s:g} s (REELWIRE_IDLE_TIMEOUT_S); end each "
                    "track when there is no more",
                    stage=self._stage,
                )
            await asyncio.sleep(left_s if left_s > 0 else self._limit_s)
