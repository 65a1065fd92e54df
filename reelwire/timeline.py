"""Exact time: integer pts and Fractions. Floats only for display."""

from __future__ import annotations

from fractions import Fraction


def rescale(pts: int, source: Fraction, target: Fraction) -> int:
    """``pts`` in ticks of ``source`` seconds → ticks of ``target`` seconds, to the nearest, halves away
    from zero (as FFmpeg's ``av_rescale_q`` does)."""
    exact = pts * source / target
    half = Fraction(1, 2)
    return int(exact + half) if exact >= 0 else -int(-exact + half)
