"""Real frames to calibrate and measure with, from clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from exporters.errors import ExportError
from reelwire.media import Pixels


def read_frames(
    clips: Sequence[Path], count: int, size: tuple[int, int] | None = None, *, consecutive: bool = False
) -> Pixels:
    """About ``count`` frames (T, H, W, 3) uint8 RGB, as many of each clip, evenly spread over it, or its
    first ones where they must be ``consecutive``. ``size``: height and width they are scaled to; default:
    the first one's. ExportError: a clip that cannot be decoded."""
    each = -(-count // max(1, len(clips)))
    found = [frame for clip in clips for frame in _of_clip(clip, each, consecutive)]
    if not found:
        raise ExportError("no clip was given, or none holds a frame; expected at least one with pictures")
    height, width = size or found[0].shape[:2]
    return np.stack([_scaled(frame, height, width) for frame in found[:count]])


def _of_clip(path: Path, count: int, consecutive: bool) -> Iterator[Pixels]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ExportError(f"{path} has no video track")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            every = 1
            if not consecutive:
                total = sum(1 for packet in container.demux(stream) if packet.size)
                every = max(1, total // count)
                container.seek(0)
            for index, frame in enumerate(container.decode(stream)):
                if index // every >= count:
                    return
                if index % every == 0:
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (av.FFmpegError, OSError) as error:
        raise ExportError(f"{path} cannot be decoded: {error.strerror}") from None


def _scaled(frame: Pixels, height: int, width: int) -> Pixels:
    if frame.shape[:2] == (height, width):
        return frame
    smaller = height * width < frame.shape[0] * frame.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, (width, height), interpolation=how), np.uint8)
