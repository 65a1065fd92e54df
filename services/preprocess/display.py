"""A display matrix (rotation, mirroring) → the filters that turn the picture upright.

The matrix is FFmpeg's ``AV_FRAME_DATA_DISPLAYMATRIX``: nine int32 in native order, 16.16 fixed point, by
which a pixel at (x, y) is shown at (a·x + c·y, b·x + d·y). Angles between are taken to the nearest quarter.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

MATRIX_BYTES = 36


@dataclass(frozen=True)
class Turn:
    """``filters`` in order; ``degrees`` clockwise; ``swaps``: width and height change places."""

    filters: tuple[tuple[str, str], ...] = ()
    degrees: int = 0
    swaps: bool = False

    @property
    def in_words(self) -> str:
        """For a remark."""
        mirrored = any(name in ("hflip", "vflip") or "flip" in value for name, value in self.filters)
        if mirrored and self.degrees != 180:
            return f"mirrored and turned by {self.degrees} degrees" if self.degrees else "mirrored"
        return f"turned clockwise by {self.degrees} degrees"


UPRIGHT = Turn()
_FLIP_X, _FLIP_Y = ("hflip", ""), ("vflip", "")
_ALONG = {  # signs of (a, d)
    (1, 1): UPRIGHT,
    (-1, 1): Turn((_FLIP_X,)),
    (1, -1): Turn((_FLIP_Y,)),
    (-1, -1): Turn((_FLIP_X, _FLIP_Y), 180),
}
_ACROSS = {  # signs of (b, c)
    (1, -1): Turn((("transpose", "clock"),), 90, swaps=True),
    (-1, 1): Turn((("transpose", "cclock"),), 270, swaps=True),
    (1, 1): Turn((("transpose", "cclock_flip"),), 270, swaps=True),
    (-1, -1): Turn((("transpose", "clock_flip"),), 90, swaps=True),
}


def turn_from_matrix(matrix: bytes) -> Turn:
    """What brings the picture upright; UPRIGHT for anything that is no matrix."""
    if len(matrix) != MATRIX_BYTES:
        return UPRIGHT
    a, b, _, c, d = struct.unpack("=9i", matrix)[:5]
    if not (a or b) or not (c or d):
        return UPRIGHT
    if abs(a) >= abs(b):
        return _ALONG[_sign(a), _sign(d)]
    return _ACROSS[_sign(b), _sign(c)]


def turn_of(frame: Any) -> Turn:
    """Of a decoded ``av.VideoFrame``."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return UPRIGHT if matrix is None else turn_from_matrix(bytes(matrix))


def _sign(value: int) -> int:
    return -1 if value < 0 else 1
