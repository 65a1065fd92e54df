"""A stage that is wrong on purpose, for the guard of the event loops to find."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from reelwire.media import Chunk
from reelwire.stage import Opened, Opening, Stage
from reelwire.testing import IdentityFactory, IdentityStage
from tests.contracts.loop_guard import LoopGuard


class LoopStage(IdentityStage):
    """Wrong on purpose: has its loop do its work."""

    def __init__(self, inner: Stage, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        async def work() -> list[Chunk]:
            return list(self._inner.feed(chunk))

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()


class LoopFactory(IdentityFactory):
    """Opens a guarded stage, and has the loop run it."""

    def __init__(self, guard: LoopGuard) -> None:
        super().__init__("editor")
        self._guarded = guard.factory(IdentityFactory("editor"))
        self._loop = asyncio.get_running_loop()

    def open(self, opening: Opening) -> Opened:
        opened = self._guarded.open(opening)
        return replace(opened, stage=LoopStage(opened.stage, self._loop))
