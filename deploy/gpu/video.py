"""NVENC and NVDEC through PyAV, which lists both on any machine: only opening tells."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from deploy.gpu.pictures import CLIP, frames
from deploy.gpu.report import Result, failed, held
from reelwire.media import Pixels

ENCODER = "h264_nvenc"
HEIGHT, WIDTH = 360, 640
FRAMES = 25
LEAST_DB = 30.0
MOST_OFF = 2
"""Levels of 255: an H.264 decoder is exact, its conversion to RGB rounds."""


def nvenc() -> Iterator[Result]:
    """Encodes a second of the clip, and decodes that on the CPU."""
    pictures = frames(FRAMES, HEIGHT, WIDTH)
    try:
        packets = _encode(pictures)
    except (av.FFmpegError, OSError, ValueError) as error:
        yield failed(ENCODER, f"does not open: {type(error).__name__}: {error}")
        return
    back = _decode(packets)
    error = float(np.mean(np.square(back.astype(float) - pictures[: len(back)]))) if len(back) else np.inf
    likeness = 10 * np.log10(255**2 / max(error, 1e-9))
    yield held(
        len(back) == FRAMES and likeness >= LEAST_DB,
        ENCODER,
        f"expected {FRAMES} frames like the clip to {LEAST_DB:g} dB",
        frames=len(back), psnr_db=float(likeness),
    )  # fmt: skip


def nvdec() -> Iterator[Result]:
    """Decodes the clip on the GPU, and no other way; equal to the CPU's."""
    try:
        acceleration = HWAccel("cuda", allow_software_fallback=False)
        with av.open(str(CLIP), hwaccel=acceleration) as container:
            got = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), FRAMES)]
    except (av.FFmpegError, OSError, ValueError, RuntimeError) as error:
        yield failed("cuda", f"does not open: {type(error).__name__}: {error}")
        return
    with av.open(str(CLIP)) as container:
        wanted = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), FRAMES)]
    off = [int(np.abs(one.astype(int) - other).max()) for one, other in zip(got, wanted, strict=False)]
    yield held(
        len(got) == len(wanted) and max(off, default=0) <= MOST_OFF,
        "cuda",
        f"expected {len(wanted)} frames within {MOST_OFF} levels of the CPU's",
        frames=len(got), most_levels_off=max(off, default=0),
    )  # fmt: skip


def _encode(pictures: Pixels) -> list[av.Packet]:
    encoder = av.CodecContext.create(ENCODER, "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAMES), Fraction(FRAMES)
    encoder.options = {"preset": "p1", "tune": "ull", "zerolatency": "1", "delay": "0"}
    packets = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts = index
        packets += encoder.encode(frame)
    return [*packets, *encoder.encode(None)]


def _decode(packets: list[av.Packet]) -> Pixels:
    decoder = av.CodecContext.create("h264", "r")
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    shape = (0, HEIGHT, WIDTH, 3)
    return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded]) if decoded else np.empty(shape)
