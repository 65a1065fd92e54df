"""Small clips with known content, made for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from reelwire.media import Pixels
from reelwire.testing import TEST_RATE, picture

TICK = Fraction(1, TEST_RATE)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
X264 = {"preset": "ultrafast", "threads": "1"}


def write_pictures(
    path: Path,
    pictures: Iterable[Any],
    codec: str,
    pix_fmt: str,
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = TICK,
    options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
) -> Path:
    """``pictures``: ``av.VideoFrame`` or (H, W, 3 or 4) uint8. ``tags``: colour of the codec context."""
    frames = [_frame(each) for each in pictures]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=TEST_RATE)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pix_fmt
        stream.options = options or {}
        stream.codec_context.time_base = time_base
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = (pts[index] if pts else index), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _frame(picture_: Any) -> Any:
    if isinstance(picture_, np.ndarray):
        return av.VideoFrame.from_ndarray(picture_, format="rgba" if picture_.shape[2] == 4 else "rgb24")
    return picture_


def lossless(path: Path, count: int = 10, width: int = 64, height: int = 48, **more: Any) -> Path:
    """FFV1 in RGB: what comes out of the decoder is what went in."""
    pictures = [picture(index, width, height) for index in range(count)]
    return write_pictures(path, pictures, "ffv1", "bgr0", **more)


def h264(path: Path, count: int = 25, width: int = 64, height: int = 48, **more: Any) -> Path:
    """H.264 without sound."""
    pictures = [picture(index, width, height) for index in range(count)]
    options = {**X264, **more.pop("options", {})}
    return write_pictures(path, pictures, "libx264", "yuv420p", options=options, **more)


def plain_yuv(luma: int, cb: int, cr: int, width: int = 64, height: int = 48) -> Any:
    """An ``av.VideoFrame`` in yuv444p of one colour."""
    planes = [np.full((height, width), value, np.uint8) for value in (luma, cb, cr)]
    return av.VideoFrame.from_ndarray(np.stack(planes), format="yuv444p")


def with_matrix(source: Path, target: Path, a: int, b: int, c: int, d: int) -> Path:
    """An MP4 whose picture track is shown turned: writes the matrix of its track header (ISO 14496-12)."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: flags, times, id, duration, layer, volume
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def wav(path: Path, samples: Any, rate: int = 48_000, layout: str = "mono") -> Path:
    """``samples``: (N, channels) float in -1 to 1."""
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        data = np.ascontiguousarray(np.round(np.asarray(samples) * 32767).astype(np.int16)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def sine(seconds: float, hertz: float = 440.0, rate: int = 48_000) -> Any:
    """(N, 1) float32."""
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)[:, None]


def corners(rgb: Pixels) -> list[tuple[int, ...]]:
    """Colours near the four corners, clockwise from the top left."""
    height, width = rgb.shape[:2]
    y, x = height // 8, width // 8
    places = ((y, x), (y, width - 1 - x), (height - 1 - y, width - 1 - x), (height - 1 - y, x))
    return [tuple(int(value) for value in rgb[place]) for place in places]


def quarters(width: int = 64, height: int = 48) -> Pixels:
    """Red, green, blue, white, clockwise from the top left."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = (255, 0, 0)
    rgb[: height // 2, width // 2 :] = (0, 255, 0)
    rgb[height // 2 :, width // 2 :] = (0, 0, 255)
    rgb[height // 2 :, : width // 2] = (255, 255, 255)
    return rgb


def near(got: object, expected: object, within: int = 3) -> bool:
    """No value is further away than ``within``."""
    return bool(np.all(np.abs(np.asarray(got, int) - np.asarray(expected, int)) <= within))
