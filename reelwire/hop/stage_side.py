"""What one stream's stage asks of the event loop: to agree with the next stage, to pass chunks on.

The bridge brings these calls over from the worker's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any

from reelwire.errors import Internal
from reelwire.hop.handshake import accepted_message, credit_chunks
from reelwire.hop.idle import Idle
from reelwire.hop.ledger import AckMap
from reelwire.hop.life import Life
from reelwire.hop.place import IN_PROCESS, Kept
from reelwire.hop.sides import Sides
from reelwire.hop.timing import Outgoing
from reelwire.hop.worker import Abandoned, Queued
from reelwire.media import Chunk, Offer, PayloadKind, Pixels
from reelwire.stage import Opened
from reelwire.v1.config_pb2 import PinnedModel
from reelwire.v1.pipeline_pb2 import Notice


class StageSide:
    """A ``LoopSide`` for the bridge. Everything here runs on the event loop."""

    def __init__(
        self, life: Life, sides: Sides, idle: Idle, copier: Executor, on_agreed: Callable[[], None]
    ) -> None:
        self._copier = copier
        self._life = life
        self._sides = sides
        self._idle = idle
        self._on_agreed = on_agreed
        self._opened: Opened | None = None
        self.on_fallback: Callable[[str], None] = lambda text: None
        self.acks: dict[int, AckMap] = {}

    async def agree(self, offers: tuple[Offer, ...], models: tuple[PinnedModel, ...]) -> tuple[Offer, ...]:
        """As ``reelwire.stage.Negotiate``, given up when the stream is over."""
        if self._life.is_over:
            raise Abandoned  # before a next hop is opened that nobody would close
        outbound = self._sides.outbound
        opening = asyncio.ensure_future(outbound.open(self._sides.config, offers, models))
        either: set[asyncio.Future[Any]] = {opening, self._life.over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            raise Abandoned
        agreed = opening.result()
        await self._offer_returned(outbound.returns)
        self._on_agreed()
        if self._opened is not None:
            self._accept()
        return agreed

    async def _offer_returned(self, returns: Iterable[Offer]) -> None:
        outbound = self._sides.outbound
        if any(offer.kind is PayloadKind.FRAMES for offer in returns):
            fills = outbound.is_tail or outbound.lane.place.name == IN_PROCESS
            await self._sides.hop_in.offer_returned(self._copier, self.on_fallback, fills=fills)

    def place(self, chunk: Chunk) -> Kept | None:
        """Puts a chunk's pixels where the next one reads them. Called on the worker's thread."""
        return self._sides.outbound.lane.place.keep(chunk.payload)

    def empty(self, shape: tuple[int, ...]) -> Pixels:
        """As ``Opening.empty``. Called on the worker's thread."""
        return self._sides.outbound.lane.place.empty(shape)

    def offer(self, item: Outgoing) -> bool:
        """Passes a chunk on where it need not wait. Called on the worker's thread; ``wake`` after it."""
        return self._sides.outbound.offers is not None and self._sides.outbound.lane.offer(item)

    def wake(self) -> None:
        """A chunk was offered."""
        self._sides.outbound.lane.wake()

    async def put(self, item: Outgoing) -> None:
        """Passes a chunk on under credit."""
        if self._sides.outbound.offers is None:
            raise Internal(f"{self._sides.stage} gave a chunk before it negotiated")
        await self._sides.outbound.lane.put(item)

    def on_notice(self, kind: Notice.Kind, text: str) -> None:
        """Tells the caller something in one line."""
        self._sides.tell_notice(Notice(kind=kind, stage=self._sides.stage, text=text))

    def on_taken(self, queued: Queued) -> None:
        """A chunk left the queue."""
        self._idle.works()
        self._sides.inbound.taken(queued)

    def on_opened(self, opened: Opened) -> None:
        """The stage is open: grants credit, and accepts if the next stage has."""
        if self._life.is_over:
            return
        self._opened = opened
        self._idle.rests()
        config = self._sides.config
        if self._sides.outbound.offers is not None:
            self._accept()
        self._sides.inbound.begin(opened.inputs, config.chunk_frames or 1, credit_chunks(config))

    def forget(self) -> None:
        """Lets go of the stage, which has left: its codecs' threads and memory go with it, at once."""
        self._opened = None

    def _accept(self) -> None:
        assert self._opened is not None
        sides = self._sides
        sides.tell_accepted(accepted_message(sides, self._opened))

    def on_worked(self, track: int, seq: int) -> None:
        """All that the stage gives for a chunk was emitted."""
        self._idle.rests()
        outbound = self._sides.outbound
        if outbound.is_tail or (outbound.offers is not None and track not in outbound.tracks):
            self._sides.inbound.ack(track, seq)
            return
        acks = self.acks.setdefault(track, AckMap())
        acks.fed(seq, outbound.lane.last_seq(track))
        self.on_ack(track, -1)

    def on_ack(self, track: int, through_seq: int) -> None:
        """The tail acknowledged outputs: the inputs that need them no more are acknowledged upward."""
        acked = self.acks.setdefault(track, AckMap()).acked(through_seq)
        if acked is not None:
            self._sides.inbound.ack(track, acked)
