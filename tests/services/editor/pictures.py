"""Pictures for the models in models.py: dark, with yellow "faces", or such that a model fails."""

from __future__ import annotations

import numpy as np

from reelwire.media import Pixels, read_only
from tests.services.editor.models import SQUARE

WIDTH, HEIGHT = 96, 64
YELLOW, DARK = (255, 255, 10), (20, 30, 40)
FAULTS = ("nan", "fault")


def dark(*places: tuple[int, int], tone: tuple[int, int, int] = YELLOW) -> Pixels:
    """Dark, with a "face" at each place (left, top)."""
    rgb = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    rgb[...] = DARK
    for left, top in places:
        rgb[top : top + SQUARE, left : left + SQUARE] = tone
    return rgb


def broken(how: str) -> Pixels:
    """A picture with a face on which the model gives NaN ("nan"), or the runtime fails ("fault")."""
    rgb = dark((20, 20))
    if how == "nan":
        rgb[0, 0] = (0, 0, 255)
    else:
        rgb[..., 2] = 255
    return rgb


def stack(*pictures: Pixels) -> Pixels:
    """A clip, read-only."""
    return read_only(np.stack(pictures))
