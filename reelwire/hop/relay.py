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
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from reelwire import __version__, metrics
from reelwire.errors import (
    Cancelled,
    ConfigTwice,
    Internal,
    InvalidArgument,
    ReelwireError,
    ResourceExhausted,
)
from reelwire.formats import check_limits, offer_from_proto, offer_to_proto
from reelwire.hop.accounts import summarise
from reelwire.hop.caller import CallerResources, Destination, Listeners
from reelwire.hop.checks import check_still_there, read_config, stage_after
from reelwire.hop.clock import clock_id
from reelwire.hop.context import ServiceContext
from reelwire.hop.inbound import Inbound
from reelwire.hop.lane import Lane, LanePolicy, Outgoing
from reelwire.hop.ledger import AckMap
from reelwire.hop.outbound import NextHop, Outbound
from reelwire.hop.timing import Arrival
from reelwire.hop.worker import ABANDON, Abandoned, Queued, StageWorker
from reelwire.media import Chunk, Dropped, Offer
from reelwire.stage import Opened, Opening
from reelwire.v1.config_pb2 import PinnedModel, Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Accepted, Control, Notice, ProcessRequest, ProcessResponse, Summary
from reelwire.wire import RawChunk, parse

log = logging.getLogger(__name__)

TRANSPORT = "inline"
MAX_WAITING_ITEMS = (
    4096  # chunks, Ends and controls in front of a stage; chunks are bounded by credit long before
)
SUMMARY_TIMEOUT_S = 5.0  # for a caller that does not read, when the stream has failed
LIVE_CREDIT_CHUNKS, FILE_CREDIT_CHUNKS = 2, 8
Result = TypeVar("Result")


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
        self._worker: StageWorker | None = None
        self._opened: Opened | None = None
        self._acks: dict[int, AckMap] = {}
        self.config = StreamConfig()
        self.inbound = Inbound(self._up, same_clock=False)
        self.outbound = Outbound(self._up, None)

    # --- life ---------------------------------------------------------------------------------

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
        notice = Notice(kind=Notice.KIND_MOVE, stage=self._stage, text=f"{self._stage} is draining")
        self._up.send(ProcessResponse(notice=notice).SerializeToString())

    def _start(self, requests: AsyncIterator[bytes]) -> None:
        config = self.config
        config.stream_id = config.stream_id or uuid.uuid4().hex[:12]
        self.inbound = Inbound(self._up, same_clock=config.clock_id == clock_id())
        offers = tuple(offer_from_proto(message) for message in config.offers)
        for offer in offers:
            check_limits(offer, self._settings.max_frame_pixels, self._settings.max_message_bytes)
        opening = Opening(config.stream_id, config, offers, self.negotiate, self.notice)
        worker = self._worker = StageWorker(self._context.factory, opening, self)
        worker.max_chunk_bytes = self._settings.max_message_bytes
        self.outbound = Outbound(self._up, self._next_hop(worker))
        self.outbound.on_lane = self._attach
        metrics.TRANSPORT_INFO.labels(self._stage, TRANSPORT).inc()
        self._working = asyncio.ensure_future(self._loop.run_in_executor(self._context.workers, worker.run))
        self._spawn(self._read(requests))
        self._spawn(self._finish_after(self._working))
        log.info("stream %s opened, route %s", config.stream_id, "→".join(config.route))

    def _next_hop(self, worker: StageWorker) -> NextHop | None:
        following = stage_after(self.config, self._stage)
        if following is None:
            return None
        live = self.config.policy == Policy.POLICY_LIVE
        return NextHop(
            Destination(
                following,
                self._settings.addresses(following),
                self.config.start_timeout_s or self._settings.start_timeout_s,
            ),
            CallerResources(
                self._context.channels,
                self._context.copier,
                self._credit_chunks,
                Listeners(self._on_accepted, self._on_notice, self._on_ack, self._fail),
            ),
            LanePolicy(self._stage, self._settings.stall_timeout_s, droppable=live and worker.is_source),
        )

    @property
    def _credit_chunks(self) -> int:
        live = self.config.policy == Policy.POLICY_LIVE
        return self.config.credit_chunks or (LIVE_CREDIT_CHUNKS if live else FILE_CREDIT_CHUNKS)

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
        if self._worker is not None:
            self._worker.inbox.put(ABANDON)

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
        worker = self._worker
        error = self._over.exception()
        if worker is None:
            return
        models = self.outbound.models
        own = summarise(self._stage, worker, models, failed=error is not None)
        own.version, own.transport = __version__, TRANSPORT
        summary = Summary(stages=[own, *self.outbound.later_stages()])
        self._up.send(ProcessResponse(summary=summary).SerializeToString())
        try:
            await asyncio.wait_for(self._up.drained(), SUMMARY_TIMEOUT_S)
        except TimeoutError:
            log.warning("stream %s: the caller does not read its summary", self.config.stream_id)
        log.info(
            "stream %s ended %s: in %d made %d out %d failed %d",
            self.config.stream_id,
            error.reason if isinstance(error, ReelwireError) else "OK",
            own.in_frames,
            own.made_frames,
            own.out_frames,
            own.failed_frames,
        )

    # --- from the caller ----------------------------------------------------------------------

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        async for data in requests:
            self._receive(parse(data, ProcessRequest))
        check_still_there(self._opened is not None and self.inbound.ended)

    def _receive(self, message: ProcessRequest | RawChunk) -> None:
        worker = self._worker
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
        assert self._worker is not None
        if control.stage == self._stage:
            self._worker.inbox.put(control)
        elif control.stage in route[route.index(self._stage) :]:
            self.outbound.forward(message)
        else:
            raise InvalidArgument(
                f'control for "{control.stage}"; expected one of {", ".join(route)}', field="stage"
            )

    # --- from the next hop --------------------------------------------------------------------

    def _on_accepted(self, accepted: Accepted) -> None:
        self._up.send(ProcessResponse(accepted=accepted).SerializeToString())

    def _on_notice(self, notice: Notice) -> None:
        self._up.send(ProcessResponse(notice=notice).SerializeToString())

    def _on_ack(self, track: int, through_seq: int) -> None:
        acked = self._acks.setdefault(track, AckMap()).acked(through_seq)
        if acked is not None:
            self.inbound.ack(track, acked)

    # --- for the worker: called from its thread -----------------------------------------------

    def negotiate(self, offers: Sequence[Offer], models: Sequence[PinnedModel] = ()) -> tuple[Offer, ...]:
        """As ``reelwire.stage.Negotiate``."""
        return self._wait(self._negotiate(tuple(offers), tuple(models)))

    async def _negotiate(
        self, offers: tuple[Offer, ...], models: tuple[PinnedModel, ...]
    ) -> tuple[Offer, ...]:
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

    def notice(self, kind: Notice.Kind, text: str) -> None:
        """Tells the caller something in one line."""
        notice = Notice(kind=kind, stage=self._stage, text=text)
        self._soon(self._on_notice, notice)

    def opened(self, opened: Opened) -> None:
        """The stage is open: grants credit, and accepts if the next stage has."""
        self._soon(self._on_opened, opened)

    def taken(self, queued: Queued) -> None:
        """A chunk left the queue."""
        self._soon(self.inbound.taken, queued)

    def worked(self, queued: Queued) -> None:
        """All that the stage gives for a chunk was emitted."""
        self._soon(self._on_worked, queued.raw.header.track, queued.raw.header.seq)

    def emit(self, chunk: Chunk, arrival: Arrival) -> None:
        """Passes a chunk on; blocks while too many wait. Raises when the stream is over."""
        if self.outbound.offers is None:
            raise Internal(f"{self._stage} gave a chunk before it negotiated")
        self._wait(self.outbound.lane.put(Outgoing(chunk, arrival)))

    def _soon(self, call: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(call, *arguments)

    def _wait(self, work: Coroutine[None, None, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # --- on the loop --------------------------------------------------------------------------

    def _on_opened(self, opened: Opened) -> None:
        if self._over.done():
            return
        self._opened = opened
        if self.outbound.offers is not None:
            self._accept()
        self.inbound.begin(opened.inputs, self.config.chunk_frames or 1, self._credit_chunks)

    def _accept(self) -> None:
        opened = self._opened
        assert opened is not None
        accepted = Accepted(
            stage=self._stage,
            inputs=[offer_to_proto(offer) for offer in opened.inputs],
            lag_frames=opened.hold_frames + self.outbound.lag_frames,
            models=self.outbound.models,
            transport=TRANSPORT,
            resumable=opened.resumable,
            credit_frames=(self.config.chunk_frames or 1) * self._credit_chunks,
            version=__version__,
        )
        if self.outbound.is_tail:
            accepted.returns.extend(offer_to_proto(offer) for offer in self.outbound.offers or ())
        self._on_accepted(accepted)

    def _on_worked(self, track: int, seq: int) -> None:
        tracks = {offer.track for offer in self.outbound.offers or ()}
        if self.outbound.is_tail or (self.outbound.offers is not None and track not in tracks):
            self.inbound.ack(track, seq)
            return
        acks = self._acks.setdefault(track, AckMap())
        acks.fed(seq, self.outbound.lane.last_seq(track))
        self._on_ack(track, -1)

    def _on_sent(self, chunk: Chunk) -> None:
        if self._worker is not None and chunk.track == self.outbound.picture_track:
            self._worker.sent(chunk.frame_count)

    def _on_drop(self, dropped: Dropped) -> None:
        if self._worker is not None:
            self._worker.lose(dropped)

    # --- for the gauges -----------------------------------------------------------------------

    @property
    def credit_frames(self) -> int:
        """Frames that the next hop will still take."""
        track = self.outbound.picture_track
        return max(0, self.outbound.lane.window.left(track)) if track is not None else 0

    @property
    def inflight_frames(self) -> int:
        """Frames that came and have not gone."""
        return max(0, self._worker.ledger.missing_frames) if self._worker is not None else 0

    @property
    def unacked_chunks(self) -> int:
        """Chunks that the tail has not acknowledged."""
        return sum(acks.unacked for acks in self._acks.values())
