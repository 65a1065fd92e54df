"""Pixels ↔ the tensor that a model takes or gives: layout, type, range, colour order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelwire.engines.backend import Array
from reelwire.errors import BadPayload
from reelwire.media import Pixels

Floats = npt.NDArray[np.float32]

FRAME_AXES = {"NCHW": 0, "NHWC": 0, "NTCHW": 1, "NCTHW": 2, "NTHWC": 1, "NKHW": 1, "NHWK": 3}
"""Layouts, with the axis that counts the frames of a run. K: frames stacked in the channels, 3 each."""
SIZE_AXES = {
    "NCHW": (2, 3),
    "NHWC": (1, 2),
    "NTCHW": (3, 4),
    "NCTHW": (3, 4),
    "NTHWC": (2, 3),
    "NKHW": (2, 3),
    "NHWK": (1, 2),
}
"""Axes of height and width."""
CHANNEL_AXES = {"NCHW": 1, "NHWC": 3, "NTCHW": 2, "NCTHW": 1, "NTHWC": 4, "NKHW": 1, "NHWK": 3}


@dataclass(frozen=True, slots=True)
class PictureTensor:
    """One picture input or output of a graph.

    ``value_range``: "0..1", "-1..1" or "0..255". ``mean`` and ``std`` in its units and in the model's
    colour order; value = (ranged pixel - mean) / std. ``height`` and ``width`` are None where they are free.
    """

    name: str
    dtype: str
    layout: str
    value_range: str = "0..1"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    color: str = "rgb"
    height: int | None = None
    width: int | None = None

    @property
    def is_window(self) -> bool:
        """True where one run takes or gives several frames of a stream."""
        return self.layout not in ("NCHW", "NHWC")

    @property
    def is_normalised(self) -> bool:
        """True where a mean or std is set."""
        return self.mean != (0.0, 0.0, 0.0) or self.std != (1.0, 1.0, 1.0)

    def size_of(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of a tensor of this layout."""
        rows, columns = SIZE_AXES[self.layout]
        return shape[rows], shape[columns]

    def frames_of(self, shape: tuple[int, ...]) -> int:
        """Frames in a tensor of this layout."""
        count = shape[FRAME_AXES[self.layout]]
        return count // 3 if "K" in self.layout else count

    def encode(self, rgb: Pixels) -> Array:
        """(T, H, W, 3) uint8 RGB → the model's tensor, contiguous. Layouts without a frame axis take the T
        frames as a batch."""
        ordered = rgb if self.color == "rgb" else rgb[..., ::-1]
        lying = np.ascontiguousarray(_lay(ordered, self.layout))
        if self.dtype == "uint8":
            return lying
        return self._to_values(lying).astype(self.dtype, copy=False)

    def decode(self, tensor: Array) -> Pixels:
        """The model's tensor → (T, H, W, 3) uint8 RGB: rounded half up, clipped, NaN as 0."""
        if tensor.ndim != len(self.layout):
            raise BadPayload(
                f'"{self.name}" has shape {list(tensor.shape)}; expected {self.layout}', field=self.name
            )
        upright = _stand(tensor, self.layout)
        pixels = upright if tensor.dtype == np.uint8 else self._to_levels(upright)
        ordered = pixels if self.color == "rgb" else pixels[..., ::-1]
        return np.ascontiguousarray(ordered, dtype=np.uint8)

    def _to_values(self, lying: Pixels) -> Floats:
        values = np.asarray(lying, dtype=np.float32)
        if self.value_range == "0..1":
            values /= np.float32(255)
        elif self.value_range == "-1..1":
            values /= np.float32(127.5)
            values -= np.float32(1)
        if self.is_normalised:
            values -= self._per_channel(self.mean, values.shape)
            values /= self._per_channel(self.std, values.shape)
        return values

    def _to_levels(self, upright: Array) -> Pixels:
        """(T, H, W, 3) values → 0 to 255."""
        levels = np.array(upright, dtype=np.float32, order="C")
        if self.is_normalised:
            levels *= np.asarray(self.std, np.float32)
            levels += np.asarray(self.mean, np.float32)
        if self.value_range == "-1..1":
            levels += np.float32(1)
            levels *= np.float32(127.5)
        elif self.value_range == "0..1":
            levels *= np.float32(255)
        return to_bytes(levels)

    def _per_channel(self, three: tuple[float, float, float], shape: tuple[int, ...]) -> Floats:
        """Laid along the channel axis of a tensor of ``shape``, once for each frame stacked in it."""
        axis = CHANNEL_AXES[self.layout]
        along = np.tile(np.asarray(three, np.float32), shape[axis] // 3)
        return along.reshape([-1 if place == axis else 1 for place in range(len(shape))])


def to_bytes(levels: Floats) -> Pixels:
    """Levels of 0 to 255 in float → uint8: rounded half up, clipped, NaN as 0. Works in place."""
    np.nan_to_num(levels, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    levels += np.float32(0.5)
    np.clip(levels, 0, 255, out=levels)
    return levels.astype(np.uint8)


def _lay(frames: Pixels, layout: str) -> Pixels:
    """(T, H, W, 3) → ``layout``; a view where it can be."""
    count, height, width, _ = frames.shape
    match layout:
        case "NCHW":
            return frames.transpose(0, 3, 1, 2)
        case "NTCHW":
            return frames.transpose(0, 3, 1, 2)[None]
        case "NCTHW":
            return frames.transpose(3, 0, 1, 2)[None]
        case "NTHWC":
            return frames[None]
        case "NKHW":
            return frames.transpose(0, 3, 1, 2).reshape(1, count * 3, height, width)
        case "NHWK":
            return frames.transpose(1, 2, 0, 3).reshape(1, height, width, count * 3)
    return frames


def _stand(tensor: Array, layout: str) -> Array:
    """``layout`` → (T, H, W, 3); a view where it can be."""
    upright: Array = tensor
    match layout:
        case "NCHW":
            upright = tensor.transpose(0, 2, 3, 1)
        case "NTCHW":
            upright = tensor[0].transpose(0, 2, 3, 1)
        case "NCTHW":
            upright = tensor[0].transpose(1, 2, 3, 0)
        case "NTHWC":
            upright = tensor[0]
        case "NKHW":
            _, _, height, width = tensor.shape
            upright = tensor.reshape(-1, 3, height, width).transpose(0, 2, 3, 1)
        case "NHWK":
            _, height, width, _ = tensor.shape
            upright = tensor.reshape(height, width, -1, 3).transpose(2, 0, 1, 3)
    return upright
