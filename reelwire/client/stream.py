"""One stream, seen by a program that uses the services: chunks in, chunks out, the accounts at the end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from reelwire.errors import Cancelled, DeadlineExceeded, ReelwireError
from reelwire.formats import offer_from_proto, offer_to_proto
from reelwire.hop.caller import Caller
from reelwire.hop.calling import CallerResources, Destination, Listeners
from reelwire.hop.calls import RemoteCall
from reelwire.hop.channels import Channels
from reelwire.hop.clock import clock_id, now_us
from reelwire.hop.filler import Filler
from reelwire.hop.handshake import pending_chunks
from reelwire.hop.inline import COPY_ON_LOOP_BYTES
from reelwire.hop.lane import LanePolicy
from reelwire.hop.ledger import merged
from reelwire.hop.rings import PixelPolicy, StreamRings
from reelwire.hop.sweeper import Sweeper
from reelwire.hop.timing import Arrival, Outgoing
from reelwire.media import Chunk, Dropped, Frames, Offer, PayloadKind
from reelwire.parts import parts_of
from reelwire.payloads import read_chunk
from reelwire.settings import DEFAULT_MESSAGE_BYTES
from reelwire.v1.config_pb2 import PinnedModel, Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Accepted, Control, Notice, ProcessRequest, Summary
from reelwire.wire import RawChunk

DEFAULT_BUDGET_MS = 500
DEFAULT_START_TIMEOUT_S = 30.0
STALL_TIMEOUT_S = 65.0  # a little more than a service's own: it knows better who stalls
RETURNED_CREDIT_CHUNKS, LIVE_RETURNED_CREDIT_CHUNKS = 8, 2


@dataclass(frozen=True)
class Connection:
    """What the streams of one program share."""

    channels: Channels
    copier: Executor
    addresses: dict[str, tuple[str, ...]]
    pixels: PixelPolicy
    sweeper: Sweeper


@dataclass
class Told:
    """What the services said about the stream so far."""

    accepted: dict[str, Accepted] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    @property
    def models(self) -> list[PinnedModel]:
        """The models of all stages."""
        return [model for accepted in self.accepted.values() for model in accepted.models]


class Stream:
    """Use as an async context manager; leaving it early cancels the stream everywhere.

    ``offers``: what will be sent, one for each track; none where preprocess fetches its own input.
    """

    def __init__(self, connection: Connection, config: StreamConfig, offers: Sequence[Offer] = ()) -> None:
        self._config = StreamConfig()
        self._config.CopyFrom(config)
        self._config.stream_id = config.stream_id or uuid.uuid4().hex[:12]
        del self._config.offers[:]
        self._config.offers.extend(offer_to_proto(offer) for offer in offers)
        self._config.clock_id = clock_id()
        self._offers = tuple(offers)
        live = config.policy == Policy.POLICY_LIVE
        self._budget_us = (config.latency_budget_ms or DEFAULT_BUDGET_MS) * 1000 if live else 0
        stage = config.route[0] if config.route else ""
        self._start_timeout_s = config.start_timeout_s or DEFAULT_START_TIMEOUT_S
        self.told = Told()
        self.dropped: tuple[Dropped, ...] = ()  # by this end of a LIVE stream, one entry for all
        self._connection = connection
        self._rings = StreamRings("client", connection.pixels)
        self._caller = Caller(
            Destination(stage, connection.addresses.get(stage, ()), self._start_timeout_s),
            CallerResources(
                lambda address: RemoteCall(connection.channels, stage, address),
                connection.copier,
                self._rings,
                "client",
                returned_credit_chunks=LIVE_RETURNED_CREDIT_CHUNKS if live else RETURNED_CREDIT_CHUNKS,
                listeners=Listeners(
                    accepted=self._on_accepted,
                    notice=self.told.notices.append,
                    failed=self._on_failed,
                    fallback=self._on_fallback,
                ),
                live=live,
            ),
            LanePolicy("client", STALL_TIMEOUT_S, droppable=live),
        )
        lane = self._caller.lane
        lane.pending_chunks = pending_chunks(config, source=True)
        lane.filler = Filler(connection.copier, lane.wake, self.abandon)
        self._caller.lane.on_drop = self._on_drop
        self._error: Exception | None = None
        self._ready: asyncio.Task[Accepted] | None = None

    async def __aenter__(self) -> Stream:
        await self._caller.open(self._config)
        upload = any(offer.kind is PayloadKind.CONTAINER_BYTES for offer in self._offers)
        self._ready = asyncio.create_task(self._caller.accepted(self._config, patient=upload))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ready is not None:
            self._ready.cancel()
            await asyncio.gather(self._ready, return_exceptions=True)
        await self._caller.close()
        if self._error is not None and self._connection.pixels.shares:
            self._connection.sweeper.soon()
        if self._connection.pixels.shares:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._connection.copier, self._rings.close)

    @property
    def stream_id(self) -> str:
        """The stream's name in every log and error: the config's, or one made up."""
        return self._config.stream_id

    async def ready(self) -> tuple[Offer, ...]:
        """Waits until every stage has accepted; gives what comes back. An upload must be complete before.

        Raises what the stage raised; DeadlineExceeded after the start timeout.
        """
        assert self._ready is not None
        try:
            async with asyncio.timeout(self._start_timeout_s):
                accepted = await asyncio.shield(self._ready)
        except TimeoutError:
            raise DeadlineExceeded(f"the stages did not accept within {self._start_timeout_s:g} s") from None
        except ReelwireError as error:
            raise self._error or error from None
        self._caller.lane.formats.update(
            {
                offer.track: offer.video
                for offer in map(offer_from_proto, accepted.inputs)
                if offer.kind is PayloadKind.FRAMES
            }
        )
        return tuple(self._caller.returns.values())

    @property
    def answered(self) -> asyncio.Task[Accepted]:
        """Done when the first stage has accepted, or refused; for ``asyncio.wait``."""
        assert self._ready is not None
        return self._ready

    @property
    def inputs(self) -> tuple[Offer, ...]:
        """What the first stage takes; after ``ready``."""
        first = self.told.accepted[self._config.route[0]]
        return tuple(offer_from_proto(message) for message in first.inputs)

    @property
    def returns(self) -> tuple[Offer, ...]:
        """What comes back; after ``ready``."""
        return tuple(self._caller.returns.values())

    @property
    def summary(self) -> Summary | None:
        """The accounts; after the stream has ended, on errors too."""
        return self._caller.summary

    async def send(self, chunk: Chunk, *, age_us: int = 0) -> None:
        """Sends under credit: waits where the service is busy. LIVE frames never wait: the oldest go.

        ``age_us``: microseconds since capture. What is larger than a message goes in several. TooLarge: one
        frame is.
        """
        now = now_us()
        budget_us = self._budget_us if isinstance(chunk.payload, Frames) else 0
        for part in parts_of(chunk, DEFAULT_MESSAGE_BYTES):
            await self._caller.lane.put(Outgoing(part, Arrival(now, now - age_us, budget_us=budget_us)))

    async def control(self, control: Control) -> None:
        """A change from a pts on."""
        self._caller.say(ProcessRequest(control=control).SerializeToString())

    async def end(self) -> None:
        """Everything is sent."""
        await self._caller.end([offer.track for offer in self._offers])

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """What comes back, until the stream has ended. Raises what a stage raised."""
        while (raw := await self._caller.returned.get()) is not None:
            try:
                yield await self._read(raw)
            finally:
                self._caller.taken(raw)
        if self._error is not None:
            raise self._error

    async def _read(self, raw: RawChunk) -> Chunk:
        """Numbers are looked at one by one: not on the event loop where they are many."""
        offer = self._caller.returns[raw.header.track]
        if offer.kind is PayloadKind.FRAMES or len(raw.payload) <= COPY_ON_LOOP_BYTES:
            return read_chunk(raw, offer)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._connection.copier, read_chunk, raw, offer)

    def abandon(self, error: Exception) -> None:
        """Whoever sends cannot go on: the stream is over, and whoever receives gets ``error``."""
        self._error = self._error or error
        self._caller.fail(Cancelled("the sender gave up", stage="client"))

    def _on_accepted(self, accepted: Accepted) -> None:
        self.told.accepted[accepted.stage] = accepted

    def _on_drop(self, dropped: Dropped) -> None:
        self.dropped = merged((*self.dropped, dropped))

    def _on_fallback(self, text: str) -> None:
        self.told.notices.append(Notice(kind=Notice.KIND_DEGRADED, stage="client", text=text))

    def _on_failed(self, error: ReelwireError) -> None:
        self._error = self._error or error
