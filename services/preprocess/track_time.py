"""From a container's pts to the clip's own: 0 at the stream's one origin, each above the one before. Pure.

A pts that is not above the one before is moved to one tick after it; a jump back of more than
``DISCONTINUITY_S`` (a feed that began anew, a counter that wrapped) shifts all that follows, so that time
goes on where it was. So does a jump by more than ``LEAP_S`` ahead of all tracks, in a container whose clock
may begin anew or be damaged: one wrong pts would move all that follows. A missing pts follows from the frame
before. All of them are counted.
"""

from __future__ import annotations

from fractions import Fraction

from reelwire.timeline import rescale

DISCONTINUITY_S = 1
LEAP_S = 10  # as ffmpeg's dts_delta_threshold


class Together:
    """How far the tracks of one container have come; ``moment`` in seconds of the clip's own time."""

    def __init__(self) -> None:
        self.moment = Fraction(0)


def ticks_of(seconds: Fraction, time_base: Fraction) -> int:
    """The nearest whole number of ticks to exact seconds."""
    return rescale(seconds.numerator, Fraction(1, seconds.denominator), time_base)


class TrackTime:
    """Of one track. The same whole number of ticks is taken from every pts: differences stay exact."""

    def __init__(
        self, time_base: Fraction, origin: Fraction, nominal: int = 1, together: Together | None = None
    ) -> None:
        """``origin`` in seconds of the container's time; ``nominal``: ticks from one frame to the next where
        nothing says better. ``together``: None where a jump ahead is meant."""
        self._together = together
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
            elif self.last is not None and self._leaps(fixed):
                self.repaired_count += 1
                fixed = self._go_on(self.last, fixed)
        self.last = fixed
        if self._together is not None:
            self._together.moment = max(self._together.moment, fixed * self.base)
        return fixed

    def rebased(self, pts: int) -> int:
        """Without a repair: for what was refused, and for packets."""
        return pts - self._offset

    def _repair(self, last: int, pts: int) -> int:
        if last - pts <= self._jump:
            return last + 1
        return self._go_on(last, pts)

    def _leaps(self, pts: int) -> bool:
        return self._together is not None and pts * self.base > self._together.moment + LEAP_S

    def _go_on(self, last: int, pts: int) -> int:
        """From here on as if ``pts`` came right after ``last``."""
        self._offset -= last + self.nominal - pts
        return last + self.nominal
