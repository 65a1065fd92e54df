"""One stream through one service: the caller above, the stage on its thread, the next hop below.

    requests ─▶ inbound ─▶ stage ─▶ outbound ─▶ next hop         (or, at the tail, back to the caller)
    responses ◀─ lane ◀─ what the next hop returns, untouched

Everything here runs on the event loop; the stage never does. Credit, acks and controls are read even while
everything else is held up.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from reelwire import metrics
from reelwire.errors import (
    Cancelled,
    ConfigTwice,
    Internal,
    InvalidArgument,
    ReelwireError,
    ResourceExhausted,
)
from reelwire.hop.accounts import in_words, summarise
from reelwire.hop.bridge import Bridge
from reelwire.hop.caller import Listeners
from reelwire.hop.checks import check_still_there, read_config
from reelwire.hop.clock import clock_id
from reelwire.hop.context import ServiceContext
from reelwire.hop.handshake import TRANSPORT, accepted_message, credit_chunks, next_hop, offers_of
from reelwire.hop.inbound import Inbound
from reelwire.hop.lane import Lane, LanePolicy, Outgoing
from reelwire.hop.ledger import AckMap
from reelwire.hop.outbound import Outbound
from reelwire.hop.worker import ABANDON, Abandoned, Queued, StageWorker
from reelwire.media import Chunk, Dropped, Offer
from reelwire.stage import Opened, Opening
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig
from reelwire.v1.pipeline_pb2 import Accepted, Control, Notice, ProcessRequest, ProcessResponse, Summary
from reelwire.wire import RawChunk, parse

log = logging.getLogger(__name__)

MAX_WAITING_ITEMS = (
    4096  # chunks, Ends and controls in front of a stage; chunks are bounded by credit long before
)
SUMMARY_TIMEOUT_S = 5.0  # for a caller that does not read, when the stream has failed


class Relay:
    """Carries one stream from its config to its summary."""

    def __init__(self, context: ServiceContext, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._context = context
        self._settings = context.settings
        self._stage = context.factory.name
        self._loop = asyncio.get_running_loop()
        self._up = Lane(write, LanePolicy(self._stage, self._settings.stall_timeout_s), context.copier)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: asyncio.Future[None] | None = None
        self.worker: StageWorker | None = None
        self._opened: Opened | None = None
        self.acks: dict[int, AckMap] = {}
        self.config = StreamConfig()
        self.inbound = Inbound(self._up, same_clock=False)
        self.outbound = Outbound(self._up, None)

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """The whole stream. Raises ReelwireError; the summary has been written before, on errors too."""
        self._spawn(self._up.run())
        try:
            self.config = await read_config(requests, self._stage, self._settings)
            self._start(requests)
            await self._over
        except ReelwireError as error:
            self._fail(error)
            raise
        finally:
            await self._wind_up()

    def cancel(self, why: str) -> None:
        """The caller left, or the process must go."""
        self._fail(Cancelled(why))

    def move(self) -> None:
        """Tells the caller to open the stream elsewhere: this service drains."""
        self.on_notice(Notice.KIND_MOVE, f"{self._stage} is draining; open the stream elsewhere")

    def _start(self, requests: AsyncIterator[bytes]) -> None:
        config = self.config
        config.stream_id = config.stream_id or uuid.uuid4().hex[:12]
        self.inbound = Inbound(self._up, same_clock=config.clock_id == clock_id())
        offers = offers_of(config, self._settings)
        bridge = Bridge(self)
        opening = Opening(config.stream_id, config, offers, bridge.negotiate, bridge.notice)
        worker = self.worker = StageWorker(self._context.factory, opening, bridge)
        worker.max_chunk_bytes = self._settings.max_message_bytes
        listeners = Listeners(self._tell_accepted, self._tell_notice, self._on_ack, self._fail)
        following = next_hop(config, self._context, listeners, is_source=worker.is_source)
        self.outbound = Outbound(self._up, following)
        self.outbound.on_lane = self._attach
        metrics.TRANSPORT_INFO.labels(self._stage, TRANSPORT).inc()
        self._working = asyncio.ensure_future(self._loop.run_in_executor(self._context.workers, worker.run))
        self._spawn(self._read(requests))
        self._spawn(self._finish_after(self._working))
        log.info("stream %s opened, route %s", config.stream_id, "→".join(config.route))

    def _attach(self, lane: Lane) -> None:
        lane.on_sent, lane.on_drop = self._on_sent, self._on_drop

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
        if isinstance(error, Abandoned) or self._over.done():
            return
        if isinstance(error, MemoryError):
            error = ResourceExhausted(f"no memory left in {self._stage}; ask for smaller frames or chunks")
        if not isinstance(error, ReelwireError):
            log.exception("stream %s failed", self.config.stream_id, exc_info=error)
            error = Internal(f"internal error in {self._stage}; stream {self.config.stream_id}")
        error.stage = error.stage or self._stage
        self._over.set_exception(error)
        self._over.exception()
        self._up.let_go(error)
        if self.outbound.lane is not self._up:
            self.outbound.lane.fail(error)
        if self.worker is not None:
            self.worker.inbox.put(ABANDON)

    async def _finish_after(self, working: asyncio.Future[None]) -> None:
        await working
        self.inbound.flush()
        await self.outbound.end()
        if self.outbound.is_tail and not self._over.done():
            self._over.set_result(None)

    async def _relay_returns(self) -> None:
        await self.outbound.relay_returns()
        if self._working is not None:
            await asyncio.wait({self._working})
        if not self._over.done():
            await self._up.finish()
            self._over.set_result(None)

    async def _wind_up(self) -> None:
        """Runs to its end whatever happens: the slot is held until the worker has left."""
        self._fail(Cancelled("the caller left"))
        try:
            await self.outbound.close()
            if self._working is not None:
                await asyncio.wait({self._working})
            self.inbound.flush()
            await self._write_summary()
        finally:
            self.inbound.stop()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write_summary(self) -> None:
        if self.worker is None:
            return
        error = self._over.exception()
        own = summarise(self._stage, self.worker, self.outbound.models, failed=error is not None)
        own.transport = TRANSPORT
        summary = Summary(stages=[own, *self.outbound.later_stages()])
        self._up.send(ProcessResponse(summary=summary).SerializeToString())
        try:
            await asyncio.wait_for(self._up.drained(), SUMMARY_TIMEOUT_S)
        except TimeoutError:
            log.warning("stream %s: the caller does not read its summary", self.config.stream_id)
        log.info(
            "stream %s ended %s: %s", self.config.stream_id, getattr(error, "reason", "OK"), in_words(own)
        )

    # --- from the caller ----------------------------------------------------------------------

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        async for data in requests:
            self._receive(parse(data, ProcessRequest))
        check_still_there(self._opened is not None and self.inbound.ended)

    def _receive(self, message: ProcessRequest | RawChunk) -> None:
        worker = self.worker
        assert worker is not None
        if worker.inbox.qsize() > MAX_WAITING_ITEMS:
            raise ResourceExhausted(f"more than {MAX_WAITING_ITEMS} messages wait for the stage")
        if isinstance(message, RawChunk):
            worker.inbox.put(self.inbound.receive(message))
            return
        match message.WhichOneof("message"):
            case "config":
                raise ConfigTwice("a second config; open another stream for another config", field="config")
            case "end":
                self.inbound.end(message.end.track)
                worker.inbox.put(message.end)
            case "credit":
                self._up.grant(message.credit.track, message.credit.total)
            case "control":
                self._on_control(message)
            case "release":
                raise InvalidArgument("release of a slot; pixels are inline on this hop", field="release")

    def _on_control(self, message: ProcessRequest) -> None:
        control: Control = message.control
        route = list(self.config.route)
        assert self.worker is not None
        if control.stage == self._stage:
            self.worker.inbox.put(control)
        elif control.stage in route[route.index(self._stage) :]:
            self.outbound.forward(message)
        else:
            raise InvalidArgument(
                f'control for "{control.stage}"; expected one of {", ".join(route)}', field="stage"
            )

    # --- from the next hop --------------------------------------------------------------------

    def _tell_accepted(self, accepted: Accepted) -> None:
        self._up.send(ProcessResponse(accepted=accepted).SerializeToString())

    def _tell_notice(self, notice: Notice) -> None:
        self._up.send(ProcessResponse(notice=notice).SerializeToString())

    def _on_ack(self, track: int, through_seq: int) -> None:
        acked = self.acks.setdefault(track, AckMap()).acked(through_seq)
        if acked is not None:
            self.inbound.ack(track, acked)

    # --- for the worker, through the bridge ---------------------------------------------------

    async def agree(self, offers: tuple[Offer, ...], models: tuple[PinnedModel, ...]) -> tuple[Offer, ...]:
        """As ``reelwire.stage.Negotiate``, given up when the stream is over."""
        opening = asyncio.ensure_future(self.outbound.open(self.config, offers, models))
        either: set[asyncio.Future[Any]] = {opening, self._over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            raise Abandoned
        agreed = opening.result()
        if not self.outbound.is_tail:
            self._spawn(self._relay_returns())
        if self._opened is not None:
            self._accept()
        return agreed

    async def put(self, item: Outgoing) -> None:
        """Passes a chunk on under credit."""
        if self.outbound.offers is None:
            raise Internal(f"{self._stage} gave a chunk before it negotiated")
        await self.outbound.lane.put(item)

    def on_notice(self, kind: Notice.Kind, text: str) -> None:
        """Tells the caller something in one line."""
        self._tell_notice(Notice(kind=kind, stage=self._stage, text=text))

    def on_taken(self, queued: Queued) -> None:
        """A chunk left the queue."""
        self.inbound.taken(queued)

    def on_opened(self, opened: Opened) -> None:
        """The stage is open: grants credit, and accepts if the next stage has."""
        if self._over.done():
            return
        self._opened = opened
        if self.outbound.offers is not None:
            self._accept()
        self.inbound.begin(opened.inputs, self.config.chunk_frames or 1, credit_chunks(self.config))

    def _accept(self) -> None:
        assert self._opened is not None
        self._tell_accepted(accepted_message(self._stage, self.config, self._opened, self.outbound))

    def on_worked(self, track: int, seq: int) -> None:
        """All that the stage gives for a chunk was emitted."""
        tracks = {offer.track for offer in self.outbound.offers or ()}
        if self.outbound.is_tail or (self.outbound.offers is not None and track not in tracks):
            self.inbound.ack(track, seq)
            return
        acks = self.acks.setdefault(track, AckMap())
        acks.fed(seq, self.outbound.lane.last_seq(track))
        self._on_ack(track, -1)

    def _on_sent(self, chunk: Chunk) -> None:
        if self.worker is not None and chunk.track == self.outbound.picture_track:
            self.worker.sent(chunk.frame_count)

    def _on_drop(self, dropped: Dropped) -> None:
        if self.worker is not None:
            self.worker.lose(dropped)
