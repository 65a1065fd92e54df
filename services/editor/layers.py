"""A picture with alpha that is laid over frames: made once, blended into each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelwire.media import Pixels

Words = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Layer:
    """``left`` and ``top`` in pixels of the frame. ``color``: (h, w, 3) the colours times alpha (0 to 65025);
    ``rest``: (h, w, 1) 255 minus alpha."""

    left: int
    top: int
    color: Words
    rest: Words

    def over(self, rgb: Pixels) -> Pixels:
        """A copy of the frame with the layer on it, rounded to the nearest; (H, W, 3) uint8 RGB."""
        height, width = self.rest.shape[:2]
        made = rgb.copy()
        part = made[self.top : self.top + height, self.left : self.left + width]
        mixed = part * self.rest
        mixed += self.color
        mixed += 127
        mixed //= 255
        part[...] = mixed
        return made


def make_layer(
    rgba: Pixels, position: tuple[int, int], frame: tuple[int, int], opacity: float
) -> Layer | None:
    """(h, w, 4) uint8 with its left and top corner at ``position``, which may lie outside the frame of width
    and height ``frame``; None where nothing of it can be seen. ``opacity`` 0 to 1."""
    left, top = position
    seen = rgba[max(0, -top) : max(0, frame[1] - top), max(0, -left) : max(0, frame[0] - left)]
    alpha = np.floor(seen[..., 3:] * opacity + 0.5).astype(np.uint16)
    if not alpha.any():
        return None
    return Layer(max(0, left), max(0, top), seen[..., :3] * alpha, 255 - alpha)


def place_in(
    frame: tuple[int, int], size: tuple[int, int], anchor: str, x: float, y: float
) -> tuple[int, int]:
    """Left and top of something of ``size`` whose ``anchor`` lies at ``x``, ``y`` (parts of the frame's width
    and height); ``anchor`` is one of ANCHORS."""
    across, down = ANCHORS[anchor]
    return round(x * frame[0] - across * size[0]), round(y * frame[1] - down * size[1])


ANCHORS = {
    f"{row}-{column}" if row != column else "center": (across, down)
    for row, down in (("top", 0.0), ("center", 0.5), ("bottom", 1.0))
    for column, across in (("left", 0.0), ("center", 0.5), ("right", 1.0))
}
"""Name → the part of width and height that lies left of and above the anchor."""
