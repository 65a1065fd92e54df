"""Lays a picture with transparency over the frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reelwire.errors import TooLarge
from reelwire.media import Pixels
from services.editor.effect import Frame, Output, StreamEffect
from services.editor.layers import ANCHORS, make_layer, place_in
from services.editor.params import choice, number, seconds, string
from services.editor.pictures import open_picture
from services.editor.timed_layer import TimedLayer, timed

NEUTRAL = {"opacity": 0.0}
MAX_TIMES_HIGHER = 8  # than the frame: what hangs out is made only to be cut off


@dataclass(frozen=True, slots=True)
class Params:
    """Which picture, where, how large and when."""

    picture: str = string(None, 255, "A PNG (or JPEG) in the asset folder.")
    x: float = number(0.98, -1, 2, "Where the anchor is, as a part of the frame's width from the left.")
    y: float = number(0.02, -1, 2, "Where the anchor is, as a part of the frame's height from the top.")
    anchor: str = choice("top-right", tuple(ANCHORS), "Which point of the picture lies there.")
    scale: float = number(0.15, 0.001, 2, "Width of the picture, as a part of the frame's width.")
    opacity: float = number(1.0, 0, 1, "How solid it is; 0: not seen.")
    start_s: float = seconds(0.0, "When it appears, in seconds.")
    end_s: float = seconds(0.0, "When it goes, in seconds; 0: at the end of the stream.")


class Effect(StreamEffect[Params, TimedLayer]):
    """Read, scaled and placed once for each change."""

    def prepare(self, params: Params) -> TimedLayer:
        """TooLarge: far higher than the frame. Raises as ``open_picture``."""
        rgba = self._scaled(params)
        at = place_in(self.place.size, (rgba.shape[1], rgba.shape[0]), params.anchor, params.x, params.y)
        layer = make_layer(rgba, at, self.place.size, params.opacity)
        return timed(layer, params.start_s, params.end_s)

    def feed(self, frame: Frame, ready: TimedLayer) -> Iterable[Output]:
        """The frame with the picture on it, in its time."""
        return (ready.on(frame),)

    def _scaled(self, params: Params) -> Pixels:
        """(h, w, 4) uint8, by Lanczos with alpha multiplied in."""
        video = self.place.video
        with open_picture(self.place.assets, params.picture) as image:
            wide = max(1, round(params.scale * video.width))
            high = max(1, round(wide * image.height / image.width))
            if high > MAX_TIMES_HIGHER * video.height:
                raise TooLarge(
                    f'picture "{params.picture}" would be {wide}x{high} in frames of '
                    f"{video.width}x{video.height}; expected a smaller scale",
                    field="scale",
                )
            return np.asarray(image.convert("RGBA").resize((wide, high), Image.Resampling.LANCZOS))
