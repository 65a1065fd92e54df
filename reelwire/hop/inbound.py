"""The receiving half of a stream at one service: order, credit and acks toward the caller.

Runs on the event loop. Credits, acks and releases are gathered: until half of the credit is used, for 5 ms
where the caller has less than that left, for 50 ms where it has plenty and nobody waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from reelwire.errors import BadPayload, InvalidArgument, TooLarge
from reelwire.hop.clock import now_us
from reelwire.hop.flow import ReceiveWindow, window_for
from reelwire.hop.lane import Lane
from reelwire.hop.ledger import Order
from reelwire.hop.rings import StreamRings
from reelwire.hop.shared_memory import SlotReader
from reelwire.hop.timing import Arrival
from reelwire.hop.worker import Queued
from reelwire.media import Offer, PayloadKind
from reelwire.settings import MESSAGE_OVERHEAD_BYTES
from reelwire.v1.pipeline_pb2 import Ack, Credit, ProcessResponse, Release
from reelwire.wire import RawChunk

COALESCE_S, PATIENT_S = 0.005, 0.05


class Inbound:
    """What comes from the caller, and what it is told about it."""

    def __init__(self, up: Lane, offers: Sequence[Offer], rings: StreamRings, *, same_clock: bool) -> None:
        self._up = up
        self._slots = SlotReader(rings, self._tell_release)
        self._same_clock = same_clock
        self._window = ReceiveWindow()
        self._order = Order()
        self._kinds = {offer.track: offer.kind for offer in offers}
        self._open = set(self._kinds)
        self._taken: dict[int, tuple[int, int]] = {}  # track → seq and arrival of the newest chunk taken
        self._ack_due: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._hurried = False
        self._flushed_us = 0

    def begin(self, inputs: Sequence[Offer], chunk_frames: int, chunks: int) -> dict[int, int]:
        """The stage takes these tracks: grants the first credit. Gives the totals."""
        totals = {}
        for offer in inputs:
            totals[offer.track] = self._window.begin(offer.track, window_for(offer, chunk_frames, chunks))
            credit = Credit(track=offer.track, total=totals[offer.track], taken_seq=-1)
            self._up.send(ProcessResponse(credit=credit).SerializeToString())
        return totals

    @property
    def ended(self) -> bool:
        """True when every track that was offered has ended."""
        return not self._open

    @property
    def queued_frames(self) -> int:
        """Frames that wait for work."""
        return sum(
            self._window.queued(track) for track, kind in self._kinds.items() if kind is PayloadKind.FRAMES
        )

    def receive(self, raw: RawChunk) -> Queued:
        """A chunk arrived. SequenceBroken, InvalidArgument: order, track or credit are not kept; BadPayload,
        TooLarge: it is not what its credit was given for; BadSlot: it names a slot that cannot be read."""
        track = raw.header.track
        if track in self._kinds and track not in self._open:
            raise InvalidArgument(f"a chunk on track {track} after its End", field="track")
        self._slots.resolve(raw)
        self._check_worth(raw)
        self._window.admit(track, raw.cost)
        self._order.check_seq(track, raw.header.seq)
        return Queued(raw, self._arrival(raw))

    def _check_worth(self, raw: RawChunk) -> None:
        """What a chunk costs is read off its kind: under another's name, or in its header, bytes would come
        that no credit was given for."""
        kind = self._kinds.get(raw.header.track)
        if kind is not None and raw.payload and raw.header.kind != int(kind):
            raise BadPayload(
                f"track {raw.header.track} carries payload kind {raw.header.kind}; expected {kind.name}",
                field="kind",
            )
        header_bytes = len(raw.message) - (0 if raw.kept is not None else len(raw.payload))
        if header_bytes > MESSAGE_OVERHEAD_BYTES:
            raise TooLarge(
                f"a chunk's header of {header_bytes} bytes; expected at most {MESSAGE_OVERHEAD_BYTES}: "
                "send fewer frames or drops in each chunk",
                field="chunk",
            )

    def end(self, track: int) -> None:
        """End arrived; it needs no credit, so it may come before any. InvalidArgument: such a track was not
        offered, or has ended before."""
        if track not in self._open:
            raise InvalidArgument(f"End of track {track}, which is not open", field="track")
        self._open.discard(track)

    def taken(self, queued: Queued) -> None:
        """The stage took a chunk out of its queue: more credit."""
        track = queued.raw.header.track
        self._taken[track] = (queued.raw.header.seq, queued.arrival.at_us)
        if self._window.take(track, queued.raw.cost):
            self.flush()
        else:
            self._later()

    def ack(self, track: int, through_seq: int) -> None:
        """All chunks through this one need never be sent again."""
        self._ack_due[track] = through_seq
        self._later()

    def flush(self) -> None:
        """Tells the caller all that was gathered."""
        self._flushed_us = now_us()
        for track in self._window.pending():
            self._announce(track)
        for track, seq in self._ack_due.items():
            ack = Ack(track=track, through_seq=seq)
            self._up.send(ProcessResponse(ack=ack).SerializeToString())
        self._ack_due.clear()
        self._slots.flush()

    def _tell_release(self, release: Release) -> None:
        self._up.send(ProcessResponse(release=release).SerializeToString())

    def stop(self) -> None:
        """Nothing more is told."""
        if self._timer is not None:
            self._timer.cancel()

    def _later(self) -> None:
        """By a timer that is set once and looks again, not one for each message."""
        if self._hurried:
            return
        self._hurried = self._window.is_short()
        if self._timer is None:
            self._set_timer()
        elif self._hurried:
            self._timer.cancel()
            self._set_timer()

    def _set_timer(self) -> None:
        wait_s = COALESCE_S if self._hurried else PATIENT_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not (self._ack_due or self._window.pending()):
            self._hurried = False
        elif self._hurried and now_us() - self._flushed_us < COALESCE_S * 1e6:
            self._set_timer()
        else:
            self._hurried = False
            self.flush()

    def _announce(self, track: int) -> None:
        seq, arrived_us = self._taken[track]
        credit = Credit(
            track=track,
            total=self._window.announce(track),
            taken_seq=seq,
            held_us=max(0, now_us() - arrived_us),
        )
        self._up.send(ProcessResponse(credit=credit).SerializeToString())

    def _arrival(self, raw: RawChunk) -> Arrival:
        """Age is the sender's, plus the way here: read off the shared clock, or half a round trip."""
        header, now = raw.header, now_us()
        shared = self._same_clock and 0 < header.sent_us <= now
        transfer = now - header.sent_us if shared else max(0, header.link_us)
        return Arrival(
            at_us=now,
            captured_us=now - max(0, header.age_us) - transfer,
            transfer_us=transfer,
            budget_us=max(0, header.budget_us),
            trace=tuple(header.trace),
        )
