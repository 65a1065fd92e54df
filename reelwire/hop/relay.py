"""One stream at one service, from its first message to its last: config, work, summary, whatever happens."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

from reelwire.errors import Cancelled, ReelwireError
from reelwire.hop.accounts import in_words, summarise
from reelwire.hop.carried import Carried
from reelwire.hop.checks import read_config
from reelwire.hop.context import ServiceContext
from reelwire.hop.handshake import pending_chunks
from reelwire.hop.hop_in import HopIn
from reelwire.hop.in_process import InProcess
from reelwire.hop.inline import Inline
from reelwire.hop.lane import Lane, LanePolicy
from reelwire.hop.life import Life
from reelwire.hop.place import Wire
from reelwire.hop.rings import StreamRings
from reelwire.v1.pipeline_pb2 import Notice, ProcessResponse, Summary

log = logging.getLogger(__name__)

SUMMARY_TIMEOUT_S = 5.0  # for a caller that does not read, when the stream has failed


class Relay:
    """Runs on the event loop. ``local``: the caller is a service of this process."""

    def __init__(
        self, context: ServiceContext, write: Callable[[Wire], Awaitable[None]], *, local: bool = False
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._stage = context.factory.name
        self._life = Life(self._stage, self._let_go)
        inline = Inline(self._stage, context.copier, self._settings.max_message_bytes)
        policy = LanePolicy(self._stage, self._settings.stall_timeout_s)
        self._up = Lane(write, policy, InProcess() if local else inline)
        self._up.on_stuck = self._life.fail
        self._rings = StreamRings(self._stage, context.pixels)
        self._hop_in = HopIn(self._rings, self._up, inline, local=local)
        self.carried: Carried | None = None

    async def run(self, requests: AsyncIterator[Wire]) -> None:
        """The whole stream. Raises ReelwireError; the summary has been written before, on errors too."""
        self._life.spawn(self._up.run())
        try:
            config = await read_config(requests, self._stage, self._settings)
            config.stream_id = self._life.stream_id = config.stream_id or uuid.uuid4().hex[:12]
            self._up.pending_chunks = pending_chunks(config, source=False)
            await self._hop_in.take(config, self._context.copier)
            self.carried = Carried(self._context, config, self._up, self._hop_in, self._life)
            if not self._life.is_over:
                self.carried.start(requests)
                log.info(
                    "stream %s opened, route %s, pixels %s",
                    config.stream_id,
                    "→".join(config.route),
                    self._hop_in.transport,
                )
            await self._life.over
        except ReelwireError as error:
            self._life.fail(error)
            raise
        finally:
            await self._wind_up()

    def stop(self, error: ReelwireError) -> None:
        """Ends the stream from outside: the caller left, or the process must go."""
        self._life.fail(error)

    def move(self) -> None:
        """Tells the caller to open the stream elsewhere: this service drains."""
        notice = Notice(
            kind=Notice.KIND_MOVE,
            stage=self._stage,
            text=f"{self._stage} is draining; open the stream elsewhere",
        )
        self._up.send(ProcessResponse(notice=notice).SerializeToString())

    def _let_go(self, error: ReelwireError) -> None:
        self._up.let_go(error)
        if self.carried is not None:
            self.carried.let_go(error)

    async def _wind_up(self) -> None:
        """Runs to its end whatever happens."""
        self._life.fail(Cancelled("the caller left"))
        try:
            if self.carried is not None:
                await self.carried.leave()
                await self._write_summary(self.carried)
                self.carried.sides.inbound.stop()
        finally:
            await self._life.stop_tasks()
            self._up.place.close()
            self._life.forget_where()
            await self._close_rings()

    async def _close_rings(self) -> None:
        """Not on the event loop: the memory of many frames goes back to the system."""
        if self._life.error is not None and self._rings.policy.shares:
            self._context.sweeper.soon()  # it may have ended by somebody's death
        if self._rings.policy.shares:
            await asyncio.get_running_loop().run_in_executor(self._context.copier, self._rings.close)

    async def _write_summary(self, carried: Carried) -> None:
        error, outbound = self._life.error, carried.sides.outbound
        own = summarise(self._stage, carried.worker, outbound.models, failed=error is not None)
        own.transport = self._hop_in.transport
        summary = Summary(stages=[own, *outbound.later_stages()])
        self._up.send(ProcessResponse(summary=summary).SerializeToString())
        try:
            await asyncio.wait_for(self._up.drained(), SUMMARY_TIMEOUT_S)
        except TimeoutError:
            log.warning("stream %s: the caller does not read its summary", self._life.stream_id)
        reason = getattr(error, "reason", "OK")
        log.info("stream %s ended %s: %s", self._life.stream_id, reason, in_words(own))
