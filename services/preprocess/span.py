"""The part of a clip that is kept: from a second on, for so many seconds. Pure; on the clip's own time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from reelwire.errors import BadParameter
from reelwire.v1.config_pb2 import PreprocessConfig
from services.preprocess.track_time import ticks_of

_NANOSECOND = 1_000_000_000


@dataclass(frozen=True)
class Span:
    """Seconds; ``end`` None: to the end of the clip."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None

    def is_before(self, pts: int, time_base: Fraction) -> bool:
        """A frame at ``pts`` comes too early to be kept; where no start was asked for, none does."""
        return self.start > 0 and pts < self.first_tick(time_base)

    def is_after(self, pts: int, time_base: Fraction) -> bool:
        """A frame at ``pts`` comes too late to be kept, and so do all after it."""
        end = self.end_tick(time_base)
        return end is not None and pts >= end

    def first_tick(self, time_base: Fraction) -> int:
        """The tick nearest to the start."""
        return ticks_of(self.start, time_base)

    def end_tick(self, time_base: Fraction) -> int | None:
        """The tick nearest to the end, which is not kept."""
        return None if self.end is None else ticks_of(self.end, time_base)


def read_span(config: PreprocessConfig) -> Span:
    """BadParameter: below 0, or not a number."""
    for name in ("start_s", "duration_s"):
        value = getattr(config, name)
        if not math.isfinite(value) or value < 0:
            raise BadParameter(f"preprocess.{name} is {value:g}; expected seconds, 0 or more", field=name)
    start = _exact(config.start_s)
    return Span(start, start + _exact(config.duration_s) if config.duration_s else None)


def _exact(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(_NANOSECOND)
