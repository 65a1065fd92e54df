"""From a stage's worker thread to the event loop: what a stage may ask for, made safe to call from there."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from reelwire.hop.place import Kept
from reelwire.hop.timing import Arrival, Outgoing
from reelwire.hop.worker import Abandoned, Queued, StageWorker
from reelwire.media import Chunk, Offer, Pixels
from reelwire.stage import Opened
from reelwire.v1.config_pb2 import PinnedModel
from reelwire.v1.pipeline_pb2 import Notice

Result = TypeVar("Result")
LATEST_S = 0.005


class LoopSide(Protocol):
    """The relay, as the bridge needs it; all runs on the event loop, but ``place``, ``empty``, ``offer``."""

    async def agree(
        self, offers: tuple[Offer, ...], models: tuple[PinnedModel, ...]
    ) -> tuple[Offer, ...]: ...
    async def put(self, item: Outgoing) -> None: ...
    def place(self, chunk: Chunk) -> Kept | None: ...
    def empty(self, shape: tuple[int, ...]) -> Pixels: ...
    def offer(self, item: Outgoing) -> bool: ...
    def wake(self) -> None: ...
    def on_opened(self, opened: Opened) -> None: ...
    def on_taken(self, queued: Queued) -> None: ...
    def on_worked(self, track: int, seq: int) -> None: ...
    def on_notice(self, kind: Notice.Kind, text: str) -> None: ...


class Bridge:
    """A ``Host`` for a StageWorker; also gives stages ``negotiate`` and ``notice``.

    To wake the event loop costs more than what it does then. So a stage that is quick wakes it once for a
    chunk, and where more chunks wait for it once for ``gather`` of them at most; what is said waits for 5 ms
    at most, should one of them take longer.
    """

    def __init__(self, relay: LoopSide, gather: int = 1) -> None:
        self._relay = relay
        self._gather = gather
        self._gathered = 0
        self.worker: StageWorker | None = None
        self._loop = asyncio.get_running_loop()
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    def negotiate(self, offers: Sequence[Offer], models: Sequence[PinnedModel] = ()) -> tuple[Offer, ...]:
        """As ``reelwire.stage.Negotiate``."""
        return self._wait(self._relay.agree(tuple(offers), tuple(models)))

    def notice(self, kind: Notice.Kind, text: str) -> None:
        """Tells the caller something in one line."""
        self._soon(self._relay.on_notice, kind, text)

    def empty(self, shape: tuple[int, ...]) -> Pixels:
        """As ``reelwire.stage.Opening.empty``."""
        return self._relay.empty(shape)

    def opened(self, opened: Opened) -> None:
        """The stage is open: grants credit, and accepts if the next stage has."""
        self._soon(self._relay.on_opened, opened)

    def taken(self, queued: Queued) -> None:
        """A chunk left the queue."""
        self._calls.append((self._relay.on_taken, (queued,)))
        if self.worker is None or not self.worker.is_quick:
            self._wake_loop()

    def worked(self, queued: Queued) -> None:
        """All that the stage gives for a chunk was emitted."""
        self._calls.append((self._relay.on_worked, (queued.raw.header.track, queued.raw.header.seq)))
        self._gathered += 1
        if self._gathered >= self._gather or not self._more_follows:
            self._gathered = 0
            self._wake_loop()

    def rests(self) -> None:
        """No chunk follows at once."""
        self._gathered = 0
        if self._calls:
            self._wake_loop()

    def emit(self, chunk: Chunk, arrival: Arrival) -> None:
        """Passes a chunk on; blocks while too many wait. Raises when the stream is over."""
        item = Outgoing(chunk, arrival, self._relay.place(chunk))
        if not self._relay.offer(item):
            self._wake_loop()
            self._wait(self._relay.put(item))
            return
        self._calls.append((self._relay.wake, ()))
        if self.worker is None or not self.worker.in_quick_feed:
            self._wake_loop()

    def forget(self) -> None:
        """The worker has left, and nobody listens any more."""
        self._calls.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _soon(self, call: Callable[..., None], *arguments: Any) -> None:
        self._calls.append((call, arguments))
        self._wake_loop()

    def _wake_loop(self) -> None:
        if self._scheduled:
            return
        self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._run_calls)
        except RuntimeError:  # the loop is closed: the process ends without this worker
            raise Abandoned from None

    def _run_calls(self) -> None:
        self._scheduled = False
        try:
            while self._calls:
                call, arguments = self._calls.popleft()
                call(*arguments)
            if self._gather > 1 and self._timer is None and self._more_follows:
                self._timer = self._loop.call_later(LATEST_S, self._on_timer)
        finally:
            if self._calls:  # one of them failed: the loop says so, the others come next
                self._loop.call_soon(self._run_calls)

    def _on_timer(self) -> None:
        self._timer = None
        self._run_calls()

    @property
    def _more_follows(self) -> bool:
        """True where the next chunk is here and should not take long."""
        return self.worker is not None and self.worker.is_quick and not self.worker.inbox.empty()

    def _wait(self, work: Coroutine[None, None, Result]) -> Result:
        try:
            waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # as above
            work.close()
            raise Abandoned from None
        return waiting.result()
