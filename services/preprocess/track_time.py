"""From a container's pts to the clip's own: 0 at the stream's one origin, each above the one before. Pure.

A pts that is not above the one before is moved to one tick after it; a jump back of more than
``DISCONTINUITY_S`` (a feed that began anew, a counter that wrapped) shifts all that follows, so that time
goes on where it was. A missing pts follows from the frame before. All three are counted.
"""

from __future__ import annotations

from fractions import Fraction

from reelwire.timeline import rescale

DISCONTINUITY_S = 1


def ticks_of(seconds: Fraction, time_base: Fraction) -> int:
    """The nearest whole number of ticks to exact seconds."""
    return rescale(seconds.numerator, Fraction(1, seconds.denominator), time_base)


class TrackTime:
    """Of one track. The same whole number of ticks is taken from every pts: differences stay exact."""

    def __init__(self, time_base: Fraction, origin: Fraction, nominal: int = 1) -> None:
        """``origin`` in seconds of the container's time; ``nominal``: ticks from one frame to the next where
        nothing says better."""
        self.base = time_base
        self.nominal = max(1, nominal)
        self.last: int | None = None
        self.repaired_count = 0
        self.derived_count = 0
        self._offset = ticks_of(origin, time_base)
        self._jump = ticks_of(Fraction(DISCONTINUITY_S), time_base)

    def next(self, pts: int | None) -> int:
        """Of the next frame."""
        if pts is None:
            self.derived_count += 1
            fixed = 0 if self.last is None else self.last + self.nominal
        else:
            fixed = self.rebased(pts)
            if self.last is not None and fixed <= self.last:
                self.repaired_count += 1
                fixed = self._repair(self.last, fixed)
        self.last = fixed
        return fixed

    def rebased(self, pts: int) -> int:
        """Without a repair: for what was refused, and for packets."""
        return pts - self._offset

    def _repair(self, last: int, pts: int) -> int:
        if last - pts <= self._jump:
            return last + 1
        self._offset -= last + self.nominal - pts
        return last + self.nominal
