"""A service's Process: admission, one Relay for each stream, drain."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from reelwire import metrics
from reelwire.errors import Cancelled, Draining, NoSlot, ReelwireError
from reelwire.hop import gauges
from reelwire.hop.calls import Write
from reelwire.hop.context import ServiceContext
from reelwire.hop.place import Wire
from reelwire.hop.relay import Relay

log = logging.getLogger(__name__)
RETRY_AFTER_S = 1.0
CALL_ENDS_S = 0.25
CUT_S = 10.0  # for a worker in the middle of a frame, once its stream was cut


class Front:
    """All streams of one service process."""

    def __init__(self, context: ServiceContext, after_stream: Callable[[], None] = lambda: None) -> None:
        """``after_stream`` is called whenever one has ended and its worker has left, and soon after again."""
        self._context = context
        self._after_stream = after_stream
        self._stage = context.factory.name
        self._slots = context.settings.stream_slots
        self._active: dict[Relay, asyncio.Task[None]] = {}
        self._draining = False
        self._later: asyncio.TimerHandle | None = None
        self._watch()

    async def process(
        self, requests: AsyncIterator[bytes], call: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        """One stream. NoSlot at once where all slots are taken; Draining where the process will end."""

        async def write(wire: Wire) -> None:
            assert isinstance(wire, bytes)
            try:
                await call.write(wire)
            except Exception as error:  # the call is over, whichever way the library says it
                raise Cancelled("the caller left") from error

        await self._carry(requests, write, local=False)

    async def carry_local(self, requests: AsyncIterator[Wire], write: Write) -> None:
        """The same for a service of this process."""
        await self._carry(requests, write, local=True)

    async def _carry(self, requests: AsyncIterator[Wire], write: Write, *, local: bool) -> None:
        self._admit()
        relay = Relay(self._context, write, local=local)
        task = asyncio.get_running_loop().create_task(relay.run(requests))
        self._active[relay] = task
        task.add_done_callback(functools.partial(self._ended, relay))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            relay.stop(Cancelled("the caller left"))
            raise

    def _admit(self) -> None:
        error: ReelwireError | None = None
        if self._draining:
            error = Draining(f"{self._stage} is draining; open the stream elsewhere", stage=self._stage)
        elif len(self._active) >= self._slots:
            error = NoSlot(
                f"all {self._slots} stream slots of {self._stage} are taken; try again in "
                f"{RETRY_AFTER_S:g} s, add replicas, or raise REELWIRE_STREAM_SLOTS",
                stage=self._stage,
                retry_after_s=RETRY_AFTER_S,
            )
        if error is not None:
            metrics.STREAMS.labels(self._stage, error.code).inc()
            raise error

    def _ended(self, relay: Relay, task: asyncio.Task[None]) -> None:
        """The slot is free only now: the worker has left."""
        del self._active[relay]
        error = None if task.cancelled() else task.exception()
        code = "OK" if error is None else getattr(error, "code", "INTERNAL")
        metrics.STREAMS.labels(self._stage, code).inc()
        del relay, task, error  # so that nothing here keeps the stream
        loop = asyncio.get_running_loop()
        loop.call_soon(self._after_stream)
        if self._later is not None:
            self._later.cancel()
        # The call itself ends a little later, and keeps what it raised until then.
        self._later = loop.call_later(CALL_ENDS_S, self._after_stream)

    async def drain(self, within_s: float) -> bool:
        """No new streams; those under way are told to move and may end for so long; then they are cut.
        False where a worker is still in the middle of its work after that."""
        self._draining = True
        for relay in tuple(self._active):
            relay.move()
        if not self._active:
            return True
        _, left = await asyncio.wait(tuple(self._active.values()), timeout=within_s)
        if left:
            log.warning("%d streams did not end within %g s", len(left), within_s)
            for relay in tuple(self._active):
                relay.stop(Draining(f"{self._stage} stopped before the stream had ended; open it elsewhere"))
            _, left = await asyncio.wait(left, timeout=CUT_S)
        return not left

    def _watch(self) -> None:
        """Gauges are read off the streams when they are asked for."""
        total: Callable[[Callable[[Relay], int]], Callable[[], float]] = lambda of: (  # noqa: E731
            lambda: float(sum(of(relay) for relay in tuple(self._active)))
        )
        watched: tuple[tuple[Any, Callable[[Relay], int]], ...] = (
            (metrics.ACTIVE_STREAMS, lambda relay: 1),
            (metrics.CREDIT_FRAMES, gauges.credit_frames),
            (metrics.INFLIGHT_FRAMES, gauges.inflight_frames),
            (metrics.QUEUE_DEPTH, gauges.queued_frames),
            (metrics.UNACKED_FRAMES, gauges.unacked_chunks),
        )
        for gauge, of in watched:
            gauge.labels(self._stage).set_function(total(of))
        metrics.STREAM_SLOTS.labels(self._stage).set(self._slots)
