"""A sink on a thread of its own: one call after another, so that no abort meets a write that still runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from reelwire.client.sinks import Sink
from reelwire.media import Chunk

Result = TypeVar("Result")


class SinkThread:
    """``async with SinkThread() as sink``: what is not committed when the block is left is aborted."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink")
        self._sink: Sink | None = None
        self._committed = False

    async def __aenter__(self) -> SinkThread:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sink is not None and not self._committed:
            self._sink.interrupt()
        try:
            await asyncio.shield(self._run(self._abort))
        finally:
            self._thread.shutdown(wait=False)

    async def open(self, make: Callable[[], Sink]) -> None:
        """Makes the sink. Raises what ``make`` raises."""
        await self._run(self._open, make)

    async def write(self, chunk: Chunk) -> None:
        """The next chunk."""
        await self._run(self._opened.write, chunk)

    async def complete(self) -> None:
        """All is there."""
        await self._run(self._opened.complete)

    def commit(self) -> None:
        """The target gets its name: at once, so that nothing can come between."""
        self._opened.commit()
        self._committed = True

    @property
    def _opened(self) -> Sink:
        assert self._sink is not None
        return self._sink

    def _open(self, make: Callable[[], Sink]) -> None:
        self._sink = make()

    def _abort(self) -> None:
        if self._sink is not None and not self._committed:
            self._sink.abort()

    def _run(self, call: Callable[..., Result], *arguments: object) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)
