"""Any folder of pictures and clips → random crops.

Pictures are decoded once, scaled down and kept in memory within a limit; of a clip, frames spread evenly over
its length are taken. A crop depends on the generator that it is drawn with and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.errors import TrainingError

Picture = npt.NDArray[np.uint8]  # (H, W, 3) RGB

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
CLIP_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts"})


@dataclass(frozen=True, slots=True)
class Source:
    """A folder and how much of it is kept. ``shorter_side_px``: larger pictures are scaled down to it."""

    folder: Path
    shorter_side_px: int = 480
    frames_per_clip: int = 64
    most_bytes: int = 2 << 30


def read_picture(path: Path) -> Picture:
    """An image file → (H, W, 3) uint8 RGB. TrainingError: it is none."""
    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}") from None
    bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if bgr is None:
        raise TrainingError(f"{path} cannot be read as a picture")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def scale_shorter_side(picture: Picture, side_px: int) -> Picture:
    """Scaled so that the shorter side is ``side_px``, by area averaging where it gets smaller."""
    factor = side_px / min(picture.shape[:2])
    height, width = (max(side_px, round(length * factor)) for length in picture.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), dtype=np.uint8)


def trim(picture: Picture, side_px: int) -> Picture:
    """Without its outer ``side_px`` pixels. TrainingError: nothing would be left."""
    if not 0 <= 2 * side_px < min(picture.shape[:2]):
        height, width = picture.shape[:2]
        raise TrainingError(
            f"cannot cut {side_px} pixels off each side of {width}x{height}; expected 0 to less than half"
        )
    return picture[side_px : picture.shape[0] - side_px, side_px : picture.shape[1] - side_px]


def read_clip(path: Path, frame_count: int) -> Iterator[Picture]:
    """At most ``frame_count`` frames, evenly spread. TrainingError: no picture can be decoded."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise TrainingError(f"{path} has no video track")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            total = sum(1 for packet in container.demux(stream) if packet.size)
            container.seek(0)
            every = max(1, total // frame_count)
            for index, frame in enumerate(container.decode(stream)):
                if index % every == 0 and index // every < frame_count:
                    yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    except av.FFmpegError as error:
        raise TrainingError(f"{path} cannot be decoded: {error.strerror}") from None


def load_pictures(source: Source) -> tuple[Picture, ...]:
    """All pictures of a folder and below, ordered by name. TrainingError: none, or too many bytes."""
    if not source.folder.is_dir():
        raise TrainingError(f"--data {source.folder} is no folder")
    pictures: list[Picture] = []
    used_bytes = 0
    for picture in _decode_all(source):
        if min(picture.shape[:2]) > source.shorter_side_px:
            picture = scale_shorter_side(picture, source.shorter_side_px)
        used_bytes += picture.nbytes
        if used_bytes > source.most_bytes:
            raise TrainingError(
                f"--data {source.folder} holds more than {source.most_bytes >> 20} MiB of pictures at "
                f"{source.shorter_side_px} pixels; give fewer, or a smaller --frames-per-clip"
            )
        pictures.append(picture)
    if not pictures:
        raise TrainingError(f"--data {source.folder} holds no picture and no clip")
    return tuple(pictures)


def _decode_all(source: Source) -> Iterator[Picture]:
    for path in sorted(source.folder.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            yield read_picture(path)
        elif path.suffix.lower() in CLIP_SUFFIXES:
            yield from read_clip(path, source.frames_per_clip)


class Crops:
    """Random square crops: scaled by 1/1.5 to 1.5, mirrored at times, of varied brightness and contrast."""

    def __init__(self, pictures: Sequence[Picture], crop_px: int) -> None:
        self._pictures = pictures
        self._crop_px = crop_px

    def draw(self, count: int, random: np.random.Generator) -> Tensor:
        """(count, 3, crop_px, crop_px) float32, 0 to 1."""
        crops = np.stack([self._crop(random) for _ in range(count)])
        return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()

    def _crop(self, random: np.random.Generator) -> npt.NDArray[np.float32]:
        picture = self._pictures[random.integers(len(self._pictures))]
        size = self._crop_px
        window = round(np.clip(size * 1.5 ** random.uniform(-1, 1), 8, min(picture.shape[:2])))
        top = random.integers(picture.shape[0] - window + 1)
        left = random.integers(picture.shape[1] - window + 1)
        crop = picture[top : top + window, left : left + window]
        how = cv2.INTER_AREA if window > size else cv2.INTER_CUBIC
        crop = cv2.resize(crop, (size, size), interpolation=how).astype(np.float32) / 255
        if random.random() < 0.5:
            crop = crop[:, ::-1]
        contrast, brightness = random.uniform(0.8, 1.2), random.uniform(-0.1, 0.1)
        return np.clip((crop - 0.5) * contrast + 0.5 + brightness, 0, 1).astype(np.float32)
