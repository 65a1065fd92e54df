"""One stream through one service: the caller above, the stage on its thread, the next hop below.

    requests ─▶ inbox ─▶ stage ─▶ lane ─▶ next hop         (or, at the tail, back to the caller)
    responses ◀─ lane ◀─ what the next hop returns, untouched

Everything here runs on the event loop; the stage never does. Credit, acks and controls are read even while
everything else is held up.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from reelwire import __version__, metrics
from reelwire.errors import Cancelled, ConfigTwice, InvalidArgument, ReelwireError, Stalled
from reelwire.formats import check_limits, offer_from_proto, offer_to_proto
from reelwire.hop import checks
from reelwire.hop.caller import Caller, CallerResources, Destination, Listeners
from reelwire.hop.channels import Channels
from reelwire.hop.clock import clock_id, now_us
from reelwire.hop.flow import ReceiveWindow, window_for
from reelwire.hop.lane import Lane, LanePolicy, Outgoing
from reelwire.hop.ledger import AckMap, Order
from reelwire.hop.timing import Arrival
from reelwire.hop.worker import ABANDON, Abandoned, Queued, StageWorker, picture_track
from reelwire.media import Chunk, Dropped, Offer, PayloadKind, VideoFormat
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, StageFactory
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig
from reelwire.v1.pipeline_pb2 import (
    Accepted,
    Ack,
    Credit,
    Notice,
    ProcessRequest,
    ProcessResponse,
    StageSummary,
    Summary,
)
from reelwire.wire import RawChunk, parse

log = logging.getLogger(__name__)
COALESCE_S = 0.005


@dataclass(frozen=True)
class ServiceContext:
    """What all streams of a service share."""

    factory: StageFactory
    settings: Settings
    channels: Channels
    workers: Executor
    copier: Executor


class Relay:
    """Carries one stream from its config to its summary."""

    def __init__(self, context: ServiceContext, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._context = context
        self._settings = context.settings
        self._stage = context.factory.name
        self._loop = asyncio.get_running_loop()
        self._up = Lane(write, LanePolicy(self._stage, self._settings.stall_timeout_s), context.copier)
        self._out = self._up
        self._next: Caller | None = None
        self._window = ReceiveWindow()
        self._order = Order()
        self._acks: dict[int, AckMap] = {}
        self._ack_due: dict[int, int] = {}
        self._newest_taken: dict[int, Queued] = {}
        self._flush_timer: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: StageWorker | None = None
        self._opened: Opened | None = None
        self._agreed: tuple[Offer, ...] | None = None
        self._models: tuple[PinnedModel, ...] = ()
        self._next_lag = 0
        self._picture_out: int | None = None
        self._same_clock = False
        self.config = StreamConfig()

    # --- life -----------------------------------------------------------------------------------

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """The whole stream. Raises ReelwireError; the summary has been written before, on errors too."""
        self._spawn(self._up.run())
        try:
            await self._start(requests)
            await self._over
        finally:
            await self._wind_up()

    async def _start(self, requests: AsyncIterator[bytes]) -> None:
        self.config = await checks.read_config(requests, self._stage, self._settings)
        self.config.stream_id = self.config.stream_id or uuid.uuid4().hex[:12]
        self._same_clock = self.config.clock_id == clock_id()
        offers = tuple(offer_from_proto(message) for message in self.config.offers)
        for offer in offers:
            check_limits(offer, self._settings.max_frame_pixels, self._settings.max_message_bytes)
        opening = Opening(self.config.stream_id, self.config, offers, self.negotiate, self.notice)
        self._worker = StageWorker(self._context.factory, opening, self)
        self._worker.max_chunk_bytes = self._settings.max_message_bytes
        metrics.TRANSPORT_INFO.labels(self._stage, "inline").inc()
        self._spawn(self._read(requests))
        self._spawn(self._work(self._worker))
        log.info("stream %s opened", self.config.stream_id)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """The first error decides; everything that waits is let go."""
        if isinstance(error, Abandoned):
            return
        if isinstance(error, ReelwireError):
            error.stage = error.stage or self._stage
        if not self._over.done():
            self._over.set_exception(error)
            self._over.exception()
        self._out.fail(error)
        self._up_unless_out_fail(error)
        if self._worker is not None:
            self._worker.inbox.put(ABANDON)

    def _up_unless_out_fail(self, error: Exception) -> None:
        """The way up must still carry the summary; only what waits there for credit is let go."""
        if self._out is not self._up:
            self._up.fail(error)

    async def _work(self, worker: StageWorker) -> None:
        await self._loop.run_in_executor(self._context.workers, worker.run)
        if self._next is not None:
            await self._next.end([offer.track for offer in self._agreed or ()])
            return  # the next hop's end of stream ends ours
        await self._up.finish()
        self._flush()
        await self._up.finish()
        self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _wind_up(self) -> None:
        """Runs to its end whatever happens: the slot is held until the worker has left."""
        for offer_timer in (self._flush_timer,):
            if offer_timer is not None:
                offer_timer.cancel()
        failed = not self._over.done() or self._over.cancelled() or self._over.exception() is not None
        if failed:
            self._fail(Cancelled("the caller left"))
        tasks = list(self._tasks)
        worker_done = [task for task in tasks if task.get_coro().__name__ == "_guarded"]  # type: ignore[union-attr]
        del worker_done
        if self._next is not None:
            await self._next.close()
