"""Variable → constant frame rate, by repeating and dropping. Pure.

Each frame takes the slot nearest to its pts (slot n is shown from n/rate on). Of several in one slot the last
is kept; empty slots repeat the frame before. So one frame is held: how long it is shown is known only when
the next one comes. (FFmpeg's fps filter, rounding "near", does the same.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from reelwire.errors import BadParameter
from reelwire.timeline import rescale

Item = TypeVar("Item")
MAX_RATE = 1000


def read_rate(text: str) -> Fraction:
    """ "30" or "30000/1001" → frames per second; 0 where empty. BadParameter: anything else."""
    if not text:
        return Fraction(0)
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, 100) <= rate <= MAX_RATE or max(rate.numerator, rate.denominator) > 10**9:
        raise BadParameter(
            f'preprocess.rate is "{text}"; expected frames per second, 0.01 to {MAX_RATE}, '
            'such as "30" or "30000/1001"',
            field="rate",
        )
    return rate


@dataclass(frozen=True, slots=True)
class Shown(Generic[Item]):
    """``item`` in ``slot``; ``repeated``: it was shown before."""

    slot: int
    item: Item
    repeated: bool


@dataclass(frozen=True, slots=True)
class Skipped(Generic[Item]):
    """A frame that no slot was left for."""

    slot: int
    item: Item


class ConstantRate(Generic[Item]):
    """Frames of ``time_base`` → slots of 1/``rate`` seconds."""

    def __init__(self, rate: Fraction, time_base: Fraction) -> None:
        self.time_base = 1 / rate
        self._source = time_base
        self._held: tuple[int, Item] | None = None
        self._held_is_shown = False
        self._shown_any = False
        self._next = 0
        self._end = 0

    def push(self, pts: int, duration: int, item: Item) -> Iterator[Shown[Item] | Skipped[Item]]:
        """What is decided now that this frame is known. ``duration`` in ticks counts for the last one."""
        slot = rescale(pts, self._source, self.time_base)
        if self._held is not None:
            yield from self._show_until(slot)
        else:
            self._next = slot
        self._held, self._held_is_shown = (slot, item), False
        self._end = rescale(pts + duration, self._source, self.time_base)

    def flush(self) -> Iterator[Shown[Item] | Skipped[Item]]:
        """The last frame, for as long as it lasts; the only one at least once."""
        if self._held is not None:
            least = self._next if self._shown_any else self._next + 1
            yield from self._show_until(max(self._end, least))
            self._held = None

    def _show_until(self, end: int) -> Iterator[Shown[Item] | Skipped[Item]]:
        assert self._held is not None
        slot, item = self._held
        if self._next >= end:
            yield Skipped(slot, item)
        while self._next < end:
            yield Shown(self._next, item, self._held_is_shown)
            self._held_is_shown = self._shown_any = True
            self._next += 1
