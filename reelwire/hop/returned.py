"""What the next hop returns, at the calling end: in order, under credit, until somebody takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from reelwire.hop.flow import ReceiveWindow, returned_window
from reelwire.hop.ledger import Order
from reelwire.hop.shared_memory import SlotReader
from reelwire.media import Offer
from reelwire.v1.pipeline_pb2 import Credit
from reelwire.wire import RawChunk


class Returned:
    """``queue`` is bounded by the credit that was given; None in it is the end."""

    def __init__(
        self, credit_chunks: int, tell: Callable[[Credit], None], slots: SlotReader, *, live: bool
    ) -> None:
        self._credit_chunks = credit_chunks
        self._tell = tell
        self._slots = slots
        self._live = live
        self._order = Order()
        self._window = ReceiveWindow()
        self.offers: dict[int, Offer] = {}
        self.queue: asyncio.Queue[RawChunk | None] = asyncio.Queue()

    def begin(self, offers: Iterable[Offer]) -> None:
        """These tracks come back: grants the first credit."""
        for offer in offers:
            self.offers[offer.track] = offer
            window = returned_window(offer, self._credit_chunks, live=self._live)
            total = self._window.begin(offer.track, window)
            self._tell(Credit(track=offer.track, total=total, taken_seq=-1))

    def receive(self, raw: RawChunk) -> None:
        """SequenceBroken, InvalidArgument: the next hop keeps neither order nor credit; BadSlot: it names a
        slot that cannot be read."""
        self._slots.resolve(raw)
        self._order.check_seq(raw.header.track, raw.header.seq)
        self._window.admit(raw.header.track, raw.cost)
        self.queue.put_nowait(raw)

    def forget(self) -> None:
        """Lets go of chunks that nobody took: they are large. The end stays."""
        ended = False
        while not self.queue.empty():
            ended = self.queue.get_nowait() is None or ended
        if ended:
            self.queue.put_nowait(None)

    def taken(self, raw: RawChunk) -> None:
        """A chunk is done with: credit for the next."""
        track = raw.header.track
        if self._window.take(track, raw.cost):
            self._tell(Credit(track=track, total=self._window.announce(track), taken_seq=-1))
