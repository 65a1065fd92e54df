"""A stream that is carried: its config is known, its parts are made, its stage runs.

requests ─▶ inbound ─▶ stage ─▶ outbound ─▶ next hop         (or, at the tail, back to the caller)
responses ◀─ lane ◀─ what the next hop returns, untouched
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from reelwire import metrics
from reelwire.errors import Internal, ReelwireError
from reelwire.hop.bridge import Bridge
from reelwire.hop.calling import Listeners
from reelwire.hop.checks import stages_after
from reelwire.hop.clock import clock_id
from reelwire.hop.context import ServiceContext
from reelwire.hop.handshake import gather, next_hop, offers_of
from reelwire.hop.hop_in import HopIn
from reelwire.hop.idle import Idle
from reelwire.hop.inbound import Inbound
from reelwire.hop.lane import Lane
from reelwire.hop.life import Life, without_frames
from reelwire.hop.outbound import Outbound
from reelwire.hop.place import Wire
from reelwire.hop.requests import Requests
from reelwire.hop.sides import Sides
from reelwire.hop.stage_side import StageSide
from reelwire.hop.tracks import is_source
from reelwire.hop.worker import ABANDON, StageWorker
from reelwire.media import Chunk, Offer
from reelwire.stage import Opening
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Notice

LAST_ACCOUNTS_S = 1.0  # for each stage after one that has failed: a worker is never interrupted


class Carried:
    """Everything here runs on the event loop; the stage never does."""

    def __init__(
        self, context: ServiceContext, config: StreamConfig, up: Lane, hop_in: HopIn, life: Life
    ) -> None:
        """InvalidArgument, BadPayload, TooLarge: an offer that cannot be taken."""
        offers = offers_of(config, context.settings)
        self._life = life
        self._context = context
        inbound = Inbound(up, offers, hop_in.rings, same_clock=config.clock_id == clock_id())
        following = next_hop(config, context, hop_in.rings, self._listeners(), is_source=is_source(offers))
        self.sides = Sides(context.factory.name, config, up, hop_in, inbound, Outbound(up, following))
        self.sides.outbound.on_lane = self._on_lane
        self._idle = Idle(self.sides.stage, context.settings.idle_timeout_s)
        self.stage_side = StageSide(life, self.sides, self._idle, context.copier, self._on_agreed)
        self.bridge = Bridge(self.stage_side, gather(config))
        self.stage_side.on_fallback = self._on_fallback
        self.worker = self._make_worker(offers)
        self.bridge.worker = self.worker
        self._working: asyncio.Future[None] | None = None

    def _listeners(self) -> Listeners:
        """For what the next hop says; it says nothing before all parts are there."""
        return Listeners(
            accepted=lambda accepted: self.sides.tell_accepted(accepted),
            notice=lambda notice: self.sides.tell_notice(notice),
            ack=lambda track, through_seq: self.stage_side.on_ack(track, through_seq),
            failed=self._life.fail,
            fallback=self._on_fallback,
        )

    def _on_fallback(self, text: str) -> None:
        """Pixels go in messages from now on; from any thread."""
        self.bridge.notice(Notice.KIND_DEGRADED, text)

    def _make_worker(self, offers: Sequence[Offer]) -> StageWorker:
        bridge, config = self.bridge, self.sides.config
        asked = bridge.negotiate, bridge.notice, bridge.empty
        opening = Opening(config.stream_id, config, tuple(offers), *asked)
        worker = StageWorker(self._context.factory, opening, bridge)
        worker.max_chunk_bytes = self._context.settings.max_message_bytes
        return worker

    def start(self, requests: AsyncIterator[Wire]) -> None:
        """Puts the stage on its thread and reads what the caller sends."""
        metrics.TRANSPORT_INFO.labels(self.sides.stage, self.sides.hop_in.transport).inc()
        loop = asyncio.get_running_loop()
        self._working = asyncio.ensure_future(loop.run_in_executor(self._context.workers, self.worker.run))
        self._life.spawn(Requests(self.sides, self.worker.inbox, self._idle).read(requests))
        self._life.spawn(self._idle.watch(lambda: self.sides.inbound.ended))
        self._life.spawn(self._finish_after(self._working))

    async def _finish_after(self, working: asyncio.Future[None]) -> None:
        await working
        outbound = self.sides.outbound
        if outbound.offers is None:
            raise Internal(f"{self.sides.stage} ended without having negotiated what it gives")
        self.sides.inbound.flush()
        await outbound.end()
        if outbound.is_tail:
            self._life.succeed()

    def _on_agreed(self) -> None:
        if not self.sides.outbound.is_tail:
            self._life.spawn(self._relay_returns())

    async def _relay_returns(self) -> None:
        await self.sides.outbound.relay_returns()
        await self._worker_left()
        if not self._life.is_over:
            await self.sides.up.finish()
            self._life.succeed()

    def _on_lane(self, lane: Lane) -> None:
        lane.on_sent, lane.on_drop = self._on_sent, self.worker.lose

    def _on_sent(self, chunk: Chunk) -> None:
        if chunk.track == self.sides.outbound.picture_track:
            self.worker.sent(chunk.frame_count)

    def let_go(self, error: ReelwireError) -> None:
        """The stream is over: whoever waits gets the error, the worker leaves at the next chance."""
        if self.sides.outbound.lane is not self.sides.up:
            self.sides.outbound.lane.let_go(error)
        self.worker.inbox.put(ABANDON)

    async def leave(self) -> None:
        """Leaves the next hop and waits for the worker: the slot is held until it is gone."""
        if self._life.error is not None:
            after = stages_after(self.sides.config, self.sides.stage)
            await self.sides.outbound.leave(LAST_ACCOUNTS_S * after)
        await self.sides.outbound.close()
        await self._worker_left()
        await self.sides.outbound.close()  # one that the worker was about to open
        self.sides.inbound.flush()
        self.worker.forget()
        self.bridge.forget()
        if self._working is not None:
            without_frames(self._working.exception())
        self.stage_side.forget()
        if self._working is not None:
            metrics.TRANSPORT_INFO.labels(self.sides.stage, self.sides.hop_in.transport).dec()

    async def _worker_left(self) -> None:
        if self._working is not None:
            await asyncio.wait({self._working})
