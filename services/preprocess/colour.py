"""What the numbers of a decoded picture mean, and how they are brought to SDR BT.709.

Untagged YUV is taken as players take it (mpv's rule): BT.709 from 1280 wide or more than 576 high on, BT.601
below. Only pictures that are HDR (PQ, HLG) or of a wider gamut (BT.2020, P3) have their transfer function and
primaries converted (FFmpeg 8's scale filter, which maps tones); for all others the matrix and range are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

HD_WIDTH, SD_HEIGHT = 1280, 576
_UNSPECIFIED = 2
_RGB_MATRIX = 0
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc"}
_MATRIX_NUMBERS = {name: number for number, name in _MATRICES.items()}
HDR_TRANSFERS = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}
_WIDE_PRIMARIES = {
    int(ColorPrimaries.BT2020),
    int(ColorPrimaries.SMPTE431),
    int(ColorPrimaries.SMPTE432),
}


@dataclass(frozen=True)
class Colour:
    """``matrix``: FFmpeg's number, 0 for RGB. ``full``: 0 to 255 and not 16 to 235. ``transfer`` and
    ``primaries``: FFmpeg's numbers."""

    matrix: int
    full: bool
    transfer: int
    primaries: int

    @property
    def hdr(self) -> str:
        """ "PQ", "HLG", or empty for SDR."""
        return HDR_TRANSFERS.get(self.transfer, "")

    @property
    def maps_tones(self) -> bool:
        """Transfer function and primaries are converted as well."""
        return bool(self.hdr) or self.primaries in _WIDE_PRIMARIES


def is_rgb(format_: Any) -> bool:
    """Of an ``av.VideoFormat``: no YUV, no gray."""
    return bool(format_.is_rgb) or format_.name.startswith("pal8")


def has_alpha(format_: Any) -> bool:
    """Of an ``av.VideoFormat``."""
    name = format_.name
    return name == "pal8" or any(component.is_alpha for component in format_.components)


def colour_of(frame: Any) -> Colour:
    """Of a decoded ``av.VideoFrame``, with what is not tagged filled in."""
    rgb = is_rgb(frame.format)
    tagged = int(frame.colorspace)
    if rgb:
        matrix = _RGB_MATRIX
    elif tagged in _MATRICES:
        matrix = tagged
    else:
        hd = frame.width >= HD_WIDTH or frame.height > SD_HEIGHT
        matrix = int(Colorspace.ITU709) if hd else int(Colorspace.ITU601)
    full = rgb or int(frame.color_range) == int(ColorRange.JPEG) or frame.format.name.startswith("yuvj")
    return Colour(matrix, full, int(frame.color_trc), int(frame.color_primaries))
