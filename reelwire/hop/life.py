"""How long a stream lives at one service: the first error decides how it ends, and its tasks end with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

from reelwire.errors import Internal, ReelwireError, ResourceExhausted
from reelwire.hop.worker import Abandoned

log = logging.getLogger(__name__)


class Life:
    """From the first message to the last. ``let_go`` is called once, with the error, when one ends it."""

    def __init__(self, stage: str, let_go: Callable[[ReelwireError], None]) -> None:
        self._stage = stage
        self._let_go = let_go
        self._tasks: set[asyncio.Task[None]] = set()
        self.stream_id = ""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        """True when the end is decided; tasks and the worker may still be on their way out."""
        return self.over.done()

    @property
    def error(self) -> BaseException | None:
        """What ended it; None where it ended well. Only when it is over."""
        return self.over.exception()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Runs a task of this stream; its error is the stream's."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            self.fail(error)

    def succeed(self) -> None:
        """All is done; nothing where an error came first."""
        if not self.over.done():
            self.over.set_result(None)

    def fail(self, error: Exception) -> None:
        """Ends the stream, unless its end is decided already. What is no error of ours becomes Internal with
        a fixed text, its stack in the log."""
        if isinstance(error, Abandoned) or self.over.done():
            return
        if isinstance(error, MemoryError):
            error = ResourceExhausted(f"no memory left in {self._stage}; ask for smaller frames or chunks")
        if not isinstance(error, ReelwireError):
            log.exception("stream %s failed", self.stream_id, exc_info=error)
            error = Internal(f"internal error in {self._stage}; stream {self.stream_id}")
        error.stage = error.stage or self._stage
        self.over.set_exception(error)
        self.over.exception()  # looked at: whoever awaits gets it, and nobody need
        self._let_go(error)

    def forget_where(self) -> None:
        """The error stays, without the frames of code that it went through: they hold pictures."""
        if self.over.done() and self.over.exception() is not None:
            without_frames(self.over.exception())

    async def stop_tasks(self) -> None:
        """Cancels what still runs and waits for it."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def without_frames(error: BaseException | None) -> None:
    """Takes its tracebacks from an error, and from those that led to it."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
