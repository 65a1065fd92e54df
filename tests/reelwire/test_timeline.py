"""Exact time."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reelwire.timeline import rescale

NTSC = Fraction(1001, 30000)


@pytest.mark.parametrize(
    ("pts", "source", "target", "expected"),
    [
        (7, Fraction(1, 25), Fraction(1, 90000), 25200),
        (1, NTSC, Fraction(1, 90000), 3003),
        (1, Fraction(1, 2), Fraction(1), 1),
        (-1, Fraction(1, 2), Fraction(1), -1),
        (3, Fraction(1, 2), Fraction(1), 2),
        (-3, Fraction(1, 2), Fraction(1), -2),
        (1, Fraction(1, 3), Fraction(1), 0),
        (-2, Fraction(1, 3), Fraction(1), -1),
        (0, NTSC, Fraction(1, 1_000_000), 0),
    ],
)
def test_rescaling_goes_to_the_nearest_tick_halves_away_from_zero(
    pts: int, source: Fraction, target: Fraction, expected: int
) -> None:
    assert rescale(pts, source, target) == expected


def test_a_finer_time_base_and_back_loses_nothing_in_days_of_ntsc() -> None:
    for pts in (1, 29_999, 7_776_001, 10**15 + 7):
        assert rescale(rescale(pts, NTSC, Fraction(1, 90000)), Fraction(1, 90000), NTSC) == pts
