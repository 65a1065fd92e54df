"""Sound packets that are carried as they are: rebased, cut to the span at packets, neither decoded nor
encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reelwire.media import Chunk, Packet, Packets
from services.preprocess.span import Span
from services.preprocess.track_time import TrackTime


class PacketTrack:
    """One track of sound packets. The first may lie before 0: samples that the decoder discards."""

    def __init__(self, track: int, time: TrackTime, span: Span) -> None:
        self._track = track
        self._time = time
        self._first = span.first_tick(time.base) if span.start else None
        self._end = span.end_tick(time.base)
        self.is_complete = False

    def add(self, packet: Any) -> Iterator[Chunk]:
        """The next ``av.Packet``; one without a pts follows the one before."""
        duration = int(packet.duration or 0)
        pts = self._time.next(packet.pts if packet.pts is not None else packet.dts)
        self._time.nominal = max(1, duration)
        if self._end is not None and pts >= self._end:
            self.is_complete = True
        elif self._first is None or pts + duration > self._first:
            yield Chunk(self._track, Packets((Packet(pts, pts, duration, True, bytes(packet)),)))

    def flush(self) -> Iterator[Chunk]:
        """Nothing is held."""
        return iter(())
