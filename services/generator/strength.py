"""How much of the model's result is used, from which pts on."""

from __future__ import annotations

import bisect
from collections.abc import Mapping

import cv2
import numpy as np

from reelwire.engines.backend import Array
from reelwire.errors import BadParameter, BadPayload, TooLarge
from reelwire.media import Pixels

MAX_CHANGES = 1024


def check_strength(value: float) -> float:
    """BadParameter: not 0 to 1."""
    if not 0 <= value <= 1:
        raise BadParameter(f"strength {value}: expected 0 to 1", field="strength")
    return value


class StrengthTimeline:
    """A step function over pts; a change on a pts replaces an earlier one there."""

    def __init__(self, start: float) -> None:
        self._start = check_strength(start)
        self._pts: list[int] = []
        self._values: list[float] = []

    def change(self, from_pts: int, value: float) -> None:
        """Holds from ``from_pts`` on. BadParameter: not 0 to 1. TooLarge: too many changes ahead."""
        check_strength(value)
        place = bisect.bisect_left(self._pts, from_pts)
        if place < len(self._pts) and self._pts[place] == from_pts:
            self._values[place] = value
            return
        if len(self._pts) >= MAX_CHANGES:
            raise TooLarge(f"{MAX_CHANGES} changes of strength are waiting; send them nearer to their pts")
        self._pts.insert(place, from_pts)
        self._values.insert(place, value)

    def at(self, pts: int) -> float:
        """The strength for a frame; frames are asked for in order, and what has passed is forgotten."""
        passed = bisect.bisect_right(self._pts, pts)
        if passed:
            self._start = self._values[passed - 1]
            del self._pts[:passed], self._values[:passed]
        return self._start

    def save(self) -> dict[str, Array]:
        """What it holds."""
        return {
            "strength pts": np.array(self._pts, np.int64),
            "strength values": np.array([self._start, *self._values], np.float64),
        }

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not such arrays."""
        pts, values = saved.get("strength pts"), saved.get("strength values")
        if pts is None or values is None or len(values) != len(pts) + 1:
            raise BadPayload("the saved state holds no strength; start the stream again")
        self._pts = [int(number) for number in pts]
        self._start, *self._values = (float(value) for value in values)


def blend(original: Pixels, made: Pixels, strength: float) -> Pixels:
    """``strength`` of ``made``, the rest of ``original``, which is brought to its size (bicubic); both
    (H, W, 3) uint8; rounded half up."""
    if strength == 1:
        return made
    height, width = made.shape[:2]
    if original.shape != made.shape:
        original = cv2.resize(original, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    if strength == 0:
        return original
    mixed = original.astype(np.float32)
    mixed += (made.astype(np.float32) - mixed) * np.float32(strength)
    mixed += np.float32(0.5)
    return mixed.astype(np.uint8)
