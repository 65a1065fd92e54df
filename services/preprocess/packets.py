"""Sound packets that are carried as they are: rebased, cut to the span at packets, neither decoded nor
encoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from reelwire.media import Chunk, Packet, Packets
from services.preprocess.span import Span


@dataclass(frozen=True)
class PacketPlan:
    """``offset``: ticks taken off every pts and dts."""

    track: int
    time_base: Fraction
    offset: int
    span: Span = field(default_factory=Span)


class PacketTrack:
    """One track of sound packets."""

    def __init__(self, plan: PacketPlan) -> None:
        self._plan = plan
        self._last_dts: int | None = None
        self.is_complete = False

    def add(self, packet: Any) -> Iterator[Chunk]:
        """The next ``av.Packet``; one without any time follows the one before."""
        plan, duration = self._plan, int(packet.duration or 0)
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            pts = 0 if self._last_dts is None else self._last_dts + max(1, duration)
        else:
            pts = int(stamp) - plan.offset
        end = plan.span.end_tick(plan.time_base)
        if end is not None and pts >= end:
            self.is_complete = True
            return
        if plan.span.start and pts + duration <= plan.span.first_tick(plan.time_base):
            return
        if self._last_dts is not None and pts <= self._last_dts:
            pts = self._last_dts + 1
        self._last_dts = pts
        yield Chunk(plan.track, Packets((Packet(pts, pts, duration, True, bytes(packet)),)))

    def flush(self) -> Iterator[Chunk]:
        """Nothing is held."""
        yield from ()
