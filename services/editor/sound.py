"""Cutting sound without losing a sample or its time."""

from __future__ import annotations

from fractions import Fraction

from reelwire.media import Sound


def part_of(sound: Sound, start: int, stop: int) -> Sound:
    """Samples ``start`` to ``stop``, their pts to the nearest tick."""
    if start == 0 and stop == len(sound.samples):
        return sound
    ticks = Fraction(start, sound.format.sample_rate) / sound.format.time_base
    return Sound(sound.format, sound.pts + round(ticks), sound.samples[start:stop])
