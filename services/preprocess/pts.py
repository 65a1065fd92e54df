"""pts of one track: rebased by the stream's origin, derived where missing, repaired where they do not rise.

Pure. A pts that is not above the one before is moved to one tick after it; a jump back of more than
``DISCONTINUITY_S`` (a feed that began anew, a counter that wrapped) shifts all that follows so that time goes
on where it was. Both are counted.
"""

from __future__ import annotations

from fractions import Fraction

from reelwire.timeline import rescale

DISCONTINUITY_S = 1
SECOND = Fraction(1)


class Rebase:
    """One exact origin for all tracks, taken off in each track's own ticks: the same whole number of ticks
    from every pts, so that differences stay exact."""

    def __init__(self, origin: Fraction, time_base: Fraction) -> None:
        self.offset = origin_ticks(origin, time_base)

    def __call__(self, pts: int) -> int:
        return pts - self.offset


def origin_ticks(origin: Fraction, time_base: Fraction) -> int:
    """The nearest whole number of ticks to ``origin`` seconds."""
    exact = origin / time_base
    return rescale(exact.numerator, Fraction(1, exact.denominator), SECOND)


class RisingPts:
    """The pts of frames, each above the one before."""

    def __init__(self, time_base: Fraction, nominal: int) -> None:
        """``nominal``: ticks from one frame to the next where nothing says better, 1 or more."""
        self._nominal = max(1, nominal)
        self._jump = int(DISCONTINUITY_S / time_base)
        self._shift = 0
        self._last: int | None = None
        self.repaired_count = 0
        self.derived_count = 0

    def next(self, pts: int | None) -> int:
        """The pts that the frame gets."""
        if pts is None:
            self.derived_count += 1
            fixed = 0 if self._last is None else self._last + self._nominal
        else:
            fixed = pts + self._shift
            if self._last is not None and fixed <= self._last:
                self.repaired_count += 1
                fixed = self._repair(fixed)
        self._last = fixed
        return fixed

    def _repair(self, pts: int) -> int:
        assert self._last is not None
        if self._last - pts <= self._jump:
            return self._last + 1
        self._shift += self._last + self._nominal - pts
        return self._last + self._nominal
