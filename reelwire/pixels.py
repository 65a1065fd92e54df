"""Pixel layouts: RGB24 ↔ I420 in BT.709, and the padding that 4:2:0 needs.

libswscale does the arithmetic (through PyAV): it knows matrices and ranges, which OpenCV's fixed BT.601
conversions do not.
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from reelwire.media import PixelLayout, Pixels

FFMPEG_NAME = {PixelLayout.RGB24: "rgb24", PixelLayout.I420: "yuv420p"}


def even(size: int) -> int:
    """The next even number from ``size`` up."""
    return size + (size & 1)


def pad_to_even(rgb: Pixels) -> Pixels:
    """``(H, W, 3)`` → even H and W, the last row and column repeated. Unchanged when already even."""
    height, width = rgb.shape[:2]
    if not (height & 1 or width & 1):
        return rgb
    return np.pad(rgb, ((0, height & 1), (0, width & 1), (0, 0)), mode="edge")


def to_video_frame(pixels: Pixels, layout: PixelLayout) -> av.VideoFrame:
    """One frame's array → a PyAV frame tagged BT.709 (I420: limited range, RGB24: full)."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=FFMPEG_NAME[layout])
    frame.colorspace = Colorspace.ITU709
    frame.color_range = ColorRange.MPEG if layout is PixelLayout.I420 else ColorRange.JPEG
    return frame


def convert(pixels: Pixels, source: PixelLayout, target: PixelLayout) -> Pixels:
    """One frame from one layout to the other; RGB24 of odd size is padded to even first."""
    if source is target:
        return pixels
    if source is PixelLayout.RGB24:
        pixels = pad_to_even(pixels)
    frame = to_video_frame(pixels, source).reformat(
        format=FFMPEG_NAME[target],
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG if source is PixelLayout.RGB24 else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG if target is PixelLayout.RGB24 else ColorRange.MPEG,
    )
    return np.asarray(frame.to_ndarray(), dtype=np.uint8)
