"""Keeps what lies between two times; drops the rest, sound too, to the sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from reelwire.errors import BadParameter
from reelwire.media import Dropped, DropReason, Packets, Sound
from services.editor.effect import Frame, Output, StreamEffect
from services.editor.params import exact, seconds
from services.editor.sound import part_of

NEUTRAL: dict[str, object] = {}


@dataclass(frozen=True, slots=True)
class Params:
    """What is kept: frames and samples from ``start_s`` up to, not including, ``end_s``."""

    start_s: float = seconds(0.0, "Where what is kept begins, in seconds.")
    end_s: float = seconds(0.0, "Where it ends, in seconds; 0: at the end of the stream.")


@dataclass(frozen=True, slots=True)
class Span:
    """Exact times; ``end_s`` None: no end."""

    start_s: Fraction
    end_s: Fraction | None

    def has(self, time_s: Fraction) -> bool:
        """True inside."""
        return time_s >= self.start_s and (self.end_s is None or time_s < self.end_s)


class Effect(StreamEffect[Params, Span]):
    """Keeps pts as they are: what writes a file lets it begin at the first picture."""

    changes_sound = True

    def prepare(self, params: Params) -> Span:
        """BadParameter: nothing lies between the times."""
        if params.end_s and params.end_s <= params.start_s:
            raise BadParameter(
                f"trim ends at {params.end_s:g} s and starts at {params.start_s:g} s; expected end_s above "
                "start_s, or 0 for the end of the stream",
                field="end_s",
            )
        return Span(exact(params.start_s), exact(params.end_s) if params.end_s else None)

    def feed(self, frame: Frame, ready: Span) -> Iterable[Output]:
        """The frame, or that it was trimmed."""
        if ready.has(frame.time_s):
            return (frame,)
        return (Dropped(1, DropReason.TRIMMED, frame.pts, frame.pts),)

    def sound(self, sound: Sound, ready: Span) -> Sound | None:
        """The samples whose times lie inside."""
        rate, begin_s = sound.format.sample_rate, sound.pts * sound.format.time_base
        count = len(sound.samples)
        first = _first_at(ready.start_s, begin_s, rate, count)
        last = count if ready.end_s is None else _first_at(ready.end_s, begin_s, rate, count)
        return part_of(sound, first, last) if first < last else None

    def packets(self, packets: Packets, time_base: Fraction, ready: Span) -> Packets | None:
        """The packets that sound inside."""
        kept = tuple(
            packet
            for packet in packets.packets
            if (packet.pts + packet.duration) * time_base > ready.start_s
            and (ready.end_s is None or packet.pts * time_base < ready.end_s)
        )
        return Packets(kept) if kept else None


def _first_at(time_s: Fraction, begin_s: Fraction, rate: int, count: int) -> int:
    """Index of the first sample at or after a time, 0 to ``count``."""
    return min(count, max(0, -((begin_s - time_s) * rate // 1)))
