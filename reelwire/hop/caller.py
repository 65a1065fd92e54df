"""The calling end of a hop: opens the stream, sends under credit, receives what comes back.

Used by a service for its next hop, and by the SDK for the first. Runs on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from reelwire import metrics
from reelwire.errors import (
    Cancelled,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NoSlot,
    ReelwireError,
    Unavailable,
)
from reelwire.formats import offer_from_proto
from reelwire.hop.calling import CallerResources, Destination
from reelwire.hop.calls import Call
from reelwire.hop.inline import Inline
from reelwire.hop.lane import Lane, LanePolicy
from reelwire.hop.place import Wire
from reelwire.hop.placing import Placing
from reelwire.hop.returned import Returned
from reelwire.hop.shared_memory import SlotReader
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import (
    Accepted,
    Credit,
    End,
    ProcessRequest,
    ProcessResponse,
    Release,
    Summary,
)
from reelwire.wire import RawChunk, messages_in

log = logging.getLogger(__name__)
MAX_ADDRESSES = 4  # the first and at most three more
MAX_SAID_AGAIN = 256  # controls from before the stream was accepted; after more no other address is tried


class Caller:
    """One stream, seen from the side that calls."""

    def __init__(self, destination: Destination, shared: CallerResources, policy: LanePolicy) -> None:
        self._destination = destination
        self._shared = shared
        self._slots = SlotReader(shared.rings, self._tell_release)
        self._back = Returned(shared.returned_credit_chunks, self._tell_credit, self._slots, live=shared.live)
        self._call: Call | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._untried = list(destination.addresses[:MAX_ADDRESSES])
        self._said: list[bytes] = []  # what another address would have to hear as well
        self._not_ended: set[int] = set()  # tracks whose End was not sent
        self.address = ""
        inline = Inline(shared.stage, shared.copier, shared.max_payload_bytes)
        self._placing = Placing(shared.rings, inline, shared.copier, shared.listeners.fallback)
        self.lane = Lane(self._write, policy, inline)
        self.lane.on_stuck = self.fail
        self.returns = self._back.offers
        self.returned = self._back.queue
        self.summary: Summary | None = None

    @property
    def peer(self) -> str:
        """The hop's name for messages: ``generator at 127.0.0.1:5001``."""
        where = "in this process" if self._destination.local else f"at {self.address}"
        return f"{self._destination.stage} {where}"

    async def open(self, config: StreamConfig) -> None:
        """Sends the config to the first address that takes the stream, and starts reading.

        Unavailable: no address configured or none answers. Whether a stage accepts is told by
        ``accepted()`` and the listeners.
        """
        stage = self._destination.stage
        if not self._destination.addresses:
            raise Unavailable(
                f"no address of {stage} is configured; set REELWIRE_{stage.upper()}_ADDR", stage=stage
            )
        self._not_ended = {offer.track for offer in config.offers}
        await self._placing.offer(config, local=self._destination.local)
        self._start(self._untried.pop(0), config)

    async def accepted(self, config: StreamConfig, *, patient: bool = False) -> Accepted:
        """Waits for this stage's own answer, trying the other addresses where the first is full or gone.

        ``patient``: as long as it takes, for a source that must first be uploaded. Else DeadlineExceeded
        after the start timeout; and what the stage raised.
        """
        timeout_s = None if patient else self._destination.start_timeout_s
        while True:
            try:
                async with asyncio.timeout(timeout_s):
                    return await asyncio.shield(self._ready)
            except TimeoutError:
                raise DeadlineExceeded(
                    f"{self.peer} did not accept within {self._destination.start_timeout_s:g} s",
                    stage=self._destination.stage,
                ) from None
            except (NoSlot, Unavailable) as error:
                if not self._untried:
                    if len(self._destination.addresses) > 1:
                        metrics.RECOVERIES.labels(self._destination.stage, "failed").inc()
                    raise
                await self._stop_tasks()
                metrics.RECOVERIES.labels(self._destination.stage, error.reason.lower()).inc()
                self._ready = asyncio.get_running_loop().create_future()
                self._start(self._untried.pop(0), config)

    def _start(self, address: str, config: StreamConfig) -> None:
        self.address, self._config = address, config
        self._call = self._shared.open_call(address)
        self.lane.restart([ProcessRequest(config=config).SerializeToString(), *self._said])
        self._writer = asyncio.create_task(self._send_all())
        self._reader = asyncio.create_task(self._read(self._call))

    async def _write(self, wire: Wire) -> None:
        assert self._call is not None
        if not await self._call.write(wire):
            await asyncio.Future()  # the call is over: the reader learns why and tells

    async def _read(self, call: Call) -> None:
        try:
            async for wire in call.read():
                for message in messages_in(wire, ProcessResponse):
                    await self._receive(message)
            if not self._ready.done() or self._not_ended:
                raise Unavailable(f"{self.peer} ended the stream before its end was sent")
            self.returned.put_nowait(None)
        except asyncio.CancelledError:
            self.fail(Cancelled(f"the stream to {self.peer} was cancelled here"))
            raise
        except Exception as error:
            self._fail_by(error)

    async def _send_all(self) -> None:
        try:
            await self.lane.run()
        except Exception as error:
            self._fail_by(error)

    def _fail_by(self, error: Exception) -> None:
        """Never leaves anybody waiting, whatever went wrong."""
        if not isinstance(error, ReelwireError):
            log.exception("%s failed", self.peer, exc_info=error)
            error = Internal(f"internal error on the way to {self.peer}")
        self.fail(error)

    def fail(self, error: ReelwireError) -> None:
        """The stream is over: whoever waits for something of it gets ``error``."""
        error.stage = error.stage or self._destination.stage
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # looked at: whoever awaits gets it, and nobody need
            if self._goes_elsewhere(error):
                return
        self.lane.fail(error)
        self.returned.put_nowait(None)
        self._shared.listeners.failed(error)

    def _goes_elsewhere(self, error: ReelwireError) -> bool:
        """True: ``accepted()`` tries another address. What was sent of the tracks is not sent again, so a
        stream of which a chunk has gone, as of an upload, ends with its address."""
        if self.lane.has_begun:
            self._untried.clear()
        elsewhere = isinstance(error, NoSlot | Unavailable) and bool(self._untried)
        if elsewhere:
            self.lane.restart(())
        return elsewhere

    def say(self, control: bytes) -> None:
        """A control, which goes before any chunk that waits."""
        accepted = self._ready.done() and self._ready.exception() is None
        if self._untried and not accepted:  # a refusal may have come: the next address hears it first
            self._said.append(control)
            if len(self._said) > MAX_SAID_AGAIN:
                self._untried.clear()
        self.lane.send(control)

    async def _receive(self, message: ProcessResponse | RawChunk) -> None:
        if isinstance(message, RawChunk):
            self._back.receive(message)
            return
        match message.WhichOneof("message"):
            case "accepted":
                await self._on_accepted(message.accepted)
            case "credit":
                self.lane.grant(message.credit)
            case "ack":
                self._shared.listeners.ack(message.ack.track, message.ack.through_seq)
            case "notice":
                self._shared.listeners.notice(message.notice)
            case "summary":
                self.summary = message.summary
            case "release":
                self.lane.place.release(message.release)
            case "batch":
                raise InvalidArgument(f"{self.peer} sent a batch inside a batch")

    async def _on_accepted(self, accepted: Accepted) -> None:
        if accepted.stage == self._destination.stage:
            self.lane.place = await self._placing.choose(
                accepted, self._config, local=self._destination.local
            )
            self.lane.takes_batches = accepted.takes_batches and not self._destination.local
        for attached in await self._placing.map_returned(accepted):
            self.lane.send(ProcessRequest(attached=attached).SerializeToString())
        if accepted.stage == self._config.route[-1]:
            self._shared.rings.mapped_by_all()
        self._back.begin(offer_from_proto(message) for message in accepted.returns)
        self._shared.listeners.accepted(accepted)
        if accepted.stage == self._destination.stage and not self._ready.done():
            self._ready.set_result(accepted)

    def _tell_release(self, release: Release) -> None:
        self.lane.send(ProcessRequest(release=release).SerializeToString())

    def _tell_credit(self, credit: Credit) -> None:
        self.lane.send(ProcessRequest(credit=credit).SerializeToString())

    def taken(self, raw: RawChunk) -> None:
        """A returned chunk is done with: credit for the next."""
        self._back.taken(raw)

    async def end(self, tracks: Sequence[int]) -> None:
        """All chunks are written; no more will come for these tracks.

        The request side stays open: credit for what comes back still goes over it."""
        await self.lane.finish()
        for track in tracks:
            self._not_ended.discard(track)
            self.lane.send(ProcessRequest(end=End(track=track)).SerializeToString())
        await self.lane.finish()

    async def leave(self, within_s: float) -> None:
        """Says that nothing more comes, and waits for the accounts of the stages after this one. Closing the
        request side without End is how a caller leaves: it cancels as surely, and still hears the summary."""
        if self._call is None or self._reader is None or self.lane.is_gone:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.lane.drained()  # a write that is cancelled half way would cancel the call
                await self._call.half_close()
                await asyncio.wait({self._reader})

    async def close(self) -> None:
        """Cancels whatever is still under way. Safe to call at any time, more than once."""
        if self._call is not None:
            self._call.cancel()
        await self._stop_tasks()
        self._back.forget()
        self.lane.let_go(Cancelled(f"the stream to {self.peer} is closed"))
        self.lane.place.close()

    async def _stop_tasks(self) -> None:
        tasks = [task for task in (self._reader, self._writer) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
