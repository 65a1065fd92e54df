"""Frames to run models on: a real clip's, since quantised models are made for pictures and not for noise."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

import av
import numpy as np

from reelwire.media import Pixels

CLIP = Path(__file__).resolve().parents[2] / "assets" / "bigbuckbunny.mp4"
FRAMES = 32
KEPT = 256


@lru_cache(KEPT)
def frames(count: int, height: int, width: int, start: int = 0) -> Pixels:
    """(count, height, width, 3) uint8 RGB from the clip, scaled; ``start``: its first frame's number. They
    come round again after ``FRAMES``."""
    pictures = _clip()
    scaled = [
        pictures[(start + index) % len(pictures)].reformat(width, height, format="rgb24").to_ndarray()
        for index in range(count)
    ]
    return np.stack(scaled)


@cache
def _clip() -> tuple[av.VideoFrame, ...]:
    with av.open(str(CLIP)) as container:
        return tuple(islice(container.decode(video=0), FRAMES))
