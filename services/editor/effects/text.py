"""Writes text on the picture, in any script that the font has."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reelwire.errors import BadParameter
from reelwire.media import Pixels
from services.editor.effect import Frame, Output, StreamEffect
from services.editor.glyphs import BUNDLED_SCRIPTS, bundled_font, missing_letters
from services.editor.layers import ANCHORS, make_layer, place_in
from services.editor.params import boolean, choice, hex_color, number, rgb_of, seconds, string
from services.editor.timed_layer import TimedLayer, timed

NEUTRAL = {"text": "Reelwire", "opacity": 0.0}
MAX_FONT_BYTES = 64 << 20
MIN_PIXELS = 4
BAND_ROWS = 64  # coloured at once, in numbers eight times as large as what comes out
MAX_FRAMES = 4  # how many times the frame's pixels a text may cover, seen or not


@dataclass(frozen=True, slots=True)
class Params:
    """What is written, where and when."""

    text: str = string(None, 1000, "What is written; line breaks are kept.")
    x: float = number(0.5, -1, 2, "Where the anchor is, as a part of the picture's width from the left.")
    y: float = number(0.9, -1, 2, "Where the anchor is, as a part of the picture's height from the top.")
    anchor: str = choice("center", tuple(ANCHORS), "Which point of the text lies there.")
    size: float = number(0.06, 0.005, 1, "Height of a line, as a part of the picture's height.")
    color: str = hex_color("#ffffff", "Colour of the letters.")
    opacity: float = number(1.0, 0, 1, "How solid it is; 0: not seen.")
    align: str = choice("center", ("left", "center", "right"), "How several lines lie to one another.")
    box: bool = boolean(False, "Draw a box behind the text.")
    box_color: str = hex_color("#000000", "Colour of the box.")
    box_opacity: float = number(0.5, 0, 1, "How solid the box is.")
    font: str = string(
        "",
        255,
        "A font file (.ttf, .otf, .ttc) in the asset folder; empty: DejaVu Sans, which has "
        f"{BUNDLED_SCRIPTS}.",
    )
    start_s: float = seconds(0.0, "When it appears, in seconds.")
    end_s: float = seconds(0.0, "When it goes, in seconds; 0: at the end of the stream.")


class Effect(StreamEffect[Params, TimedLayer]):
    """Drawn by Pillow, which shapes complex scripts through raqm, once for each change."""

    def prepare(self, params: Params) -> TimedLayer:
        """BadParameter: the font is none, or has no glyph for a letter. Raises what reading the font does."""
        font = self._font(params)
        layer = None
        if params.text.strip() and params.opacity:
            rgba = _draw(params, font, MAX_FRAMES * max(1 << 16, self.place.size[0] * self.place.size[1]))
            at = place_in(self.place.size, (rgba.shape[1], rgba.shape[0]), params.anchor, params.x, params.y)
            layer = make_layer(rgba, at, self.place.size, params.opacity)
        return timed(layer, params.start_s, params.end_s)

    def feed(self, frame: Frame, ready: TimedLayer) -> Iterable[Output]:
        """The frame with the text on it, in its time."""
        return (ready.on(frame),)

    def _font(self, params: Params) -> ImageFont.FreeTypeFont:
        pixels = max(MIN_PIXELS, round(params.size * self.place.video.height))
        data = bundled_font()
        if params.font:
            data = self.place.assets.read(params.font, "font", MAX_FONT_BYTES)
        try:
            font = ImageFont.truetype(io.BytesIO(data), pixels)
            missing = missing_letters(data, params.text)
        except (OSError, ValueError) as error:
            raise BadParameter(
                f'font "{params.font}" cannot be read ({error}); expected a .ttf, .otf or .ttc file',
                field="font",
            ) from None
        if missing:
            named = params.font or f"that comes along ({BUNDLED_SCRIPTS})"
            raise BadParameter(
                f"the font {named} has no {missing}; name one that has, a file below REELWIRE_ASSET_ROOT, as "
                "font",
                field="font",
            )
        return font


def _draw(params: Params, font: ImageFont.FreeTypeFont, max_pixels: int) -> Pixels:
    """(h, w, 4) uint8: the text, and the box with a margin of a quarter of a line. BadParameter: more than
    ``max_pixels``."""
    sketch = ImageDraw.Draw(Image.new("L", (1, 1)))
    align = params.align
    left, top, right, bottom = sketch.multiline_textbbox((0, 0), params.text, font=font, align=align)
    margin = round(font.size / 4) if params.box else 1
    size = (int(right - left) + 1 + 2 * margin, int(bottom - top) + 1 + 2 * margin)
    if size[0] * size[1] > max_pixels:
        raise BadParameter(
            f"the text would be {size[0]}x{size[1]}, more than {max_pixels} pixels; make it shorter, or size "
            "smaller",
            field="size",
        )
    letters = Image.new("L", size)
    start = (margin - left, margin - top)
    ImageDraw.Draw(letters).multiline_text(start, params.text, fill=255, font=font, align=align)
    solid = np.asarray(letters)
    made = np.empty((*solid.shape, 4), np.uint8)
    for top in range(0, len(solid), BAND_ROWS):
        made[top : top + BAND_ROWS] = _coloured(solid[top : top + BAND_ROWS], params)
    return made


def _coloured(letters: Pixels, params: Params) -> Pixels:
    """(h, w) uint8, how solid the letters are → (h, w, 4) uint8: letters over the box."""
    alpha = letters.astype(np.float64)[..., None] / 255
    under = params.box_opacity if params.box else 0.0
    solid = alpha + under * (1 - alpha)
    rgb = np.asarray(rgb_of(params.color)) * alpha + np.asarray(rgb_of(params.box_color)) * under * (
        1 - alpha
    )
    rgb = np.divide(rgb, solid, out=np.zeros_like(rgb), where=solid > 0)
    return np.floor(np.concatenate([rgb, solid * 255], axis=2) + 0.5).astype(np.uint8)
