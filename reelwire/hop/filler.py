"""Puts the pixels of waiting chunks where the receiver reads them, in order, off the event loop.

One thread's turn takes all that waits: under load nobody has to be woken for each chunk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress

from reelwire.hop.place import Place
from reelwire.hop.timing import Outgoing

AT_ONCE = 4  # chunks in one turn


class Filler:
    """``on_ready`` is called on the event loop when some are ready, ``on_error`` where one cannot be."""

    def __init__(
        self, copier: Executor, on_ready: Callable[[], None], on_error: Callable[[Exception], None]
    ) -> None:
        self._copier = copier
        self._on_ready = on_ready
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Outgoing, Place]] = deque()
        self._working = False

    def add(self, item: Outgoing, place: Place) -> None:
        """Not ready until its pixels are there."""
        item.ready = False
        self._waiting.append((item, place))
        if not self._working:
            self._working = True
            self._copier.submit(self._work)

    def _work(self) -> None:
        for _ in range(AT_ONCE):
            try:
                item, place = self._waiting.popleft()
            except IndexError:
                break
            try:
                item.kept = place.keep(item.chunk.payload)
            except Exception as error:
                self._soon(self._on_error, error)
                continue
            item.ready = True
        self._soon(self._on_ready)  # once for all of them
        self._working = False
        if self._waiting:  # more, or one that came in between; other streams have their turn first
            self._working = True
            with suppress(RuntimeError):  # as below
                self._copier.submit(self._work)

    def _soon(self, call: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, and the stream with it
            self._loop.call_soon_threadsafe(call, *arguments)
