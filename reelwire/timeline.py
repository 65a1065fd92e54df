"""Exact time: integer pts and Fractions. Floats only for display."""

from __future__ import annotations

from fractions import Fraction

MICROSECOND = Fraction(1, 1_000_000)


def rescale(pts: int, source: Fraction, target: Fraction) -> int:
    """``pts`` in ticks of ``source`` seconds → ticks of ``target`` seconds, to the nearest, halves away
    from zero (as FFmpeg's ``av_rescale_q`` does)."""
    exact = pts * source / target
    half = Fraction(1, 2)
    return int(exact + half) if exact >= 0 else -int(-exact + half)


def to_seconds(pts: int, time_base: Fraction) -> Fraction:
    """Exact seconds."""
    return pts * time_base


def from_seconds(seconds: float | Fraction, time_base: Fraction) -> int:
    """The nearest tick to ``seconds``."""
    return rescale(1, Fraction(seconds).limit_denominator(1_000_000_000), time_base)
