"""What a model's inputs and outputs mean: a graph, understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from reelwire.engines.backend import Array, TensorSpec
from reelwire.errors import BadPayload, ModelUnusable, OutsideShapeProfile
from reelwire.media import Pixels
from reelwire.models.pictures import PictureTensor

PICTURE_TASK = "image-to-image"


@dataclass(frozen=True, slots=True)
class Window:
    """How a model that sees several frames walks along a stream.

    Each run takes ``frames`` of them and moves on by ``frames - overlap``. ``output_frames`` come out; the
    first of them belongs to frame ``first_output`` of the window.
    """

    frames: int
    overlap: int
    first_output: int
    output_frames: int

    @property
    def hop(self) -> int:
        """Frames from one run to the next."""
        return self.frames - self.overlap

    @property
    def hold_frames(self) -> int:
        """Most frames that lie between a frame's arrival and its output."""
        return self.frames - 1 - self.first_output


ONE_FRAME = Window(frames=1, overlap=0, first_output=0, output_frames=1)


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One recurrent pair: what comes out of ``output`` goes into ``input`` on the next run.

    ``dims``: a number, or a symbol such as "N" (batch), "H", "W" (the padded picture's), "H/4", or the
    graph's own name of a dimension of another input.
    """

    input: str
    output: str
    dtype: str
    dims: tuple[int | str, ...]
    initial: float = 0.0

    def start(self, sizes: Mapping[str, int]) -> Array:
        """The state at a stream's start. ModelUnusable: a symbol that ``sizes`` does not have."""
        return np.full(tuple(self._length(dim, sizes) for dim in self.dims), self.initial, self.dtype)

    def _length(self, dim: int | str, sizes: Mapping[str, int]) -> int:
        if isinstance(dim, int):
            return dim
        symbol, _, divisor = dim.partition("/")
        if symbol not in sizes:
            raise ModelUnusable(
                f'state "{self.input}" has length "{dim}", expected one of {sorted(sizes)}; say its shape in '
                "model.toml: [[state]] shape",
                field=self.input,
            )
        return -(-sizes[symbol] // int(divisor or 1))


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's contract, from its graph, its model.toml and a probe run.

    ``image_input`` is None for a model that takes no picture, ``image_output`` for one whose result is none
    (masks, boxes: read the raw outputs). ``scale``: size of the output as a multiple of the input's.
    ``multiple``, ``min_size``, ``max_size`` in pixels, for free sizes. ``free_inputs`` must be given with
    each run. ``understood``: all of this in one-line sentences.
    """

    task: str
    image_input: PictureTensor | None = None
    image_output: PictureTensor | None = None
    states: tuple[StateSpec, ...] = ()
    constants: Mapping[str, Array] = field(default_factory=dict)
    free_inputs: tuple[TensorSpec, ...] = ()
    window: Window = ONE_FRAME
    scale: int = 1
    multiple: int = 1
    min_size: int = 1
    max_size: int = 16384
    understood: tuple[str, ...] = ()

    @property
    def picture_input(self) -> PictureTensor:
        """``image_input``; ModelUnusable for a model without one."""
        if self.image_input is None:
            raise ModelUnusable("the model takes no picture; it cannot run on frames")
        return self.image_input

    @property
    def picture_output(self) -> PictureTensor:
        """``image_output``; ModelUnusable for a model without one."""
        if self.image_output is None:
            raise ModelUnusable(f"the model's result ({self.task}) is no picture; expected {PICTURE_TASK}")
        return self.image_output

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """The size that goes into the model for a picture of this size: free sides rounded up to
        ``multiple``. OutsideShapeProfile: a size that it does not take."""
        picture = self.picture_input
        sides = []
        for name, got, fixed in (("height", height, picture.height), ("width", width, picture.width)):
            if fixed is not None and got != fixed:
                raise OutsideShapeProfile(f"{name} {got}: the model takes {fixed} only", field=name)
            if fixed is None and not self.min_size <= got <= self.max_size:
                raise OutsideShapeProfile(
                    f"{name} {got}: the model takes {self.min_size} to {self.max_size}", field=name
                )
            sides.append(got if fixed is not None else -(-got // self.multiple) * self.multiple)
        return sides[0], sides[1]

    def to_tensor(self, rgb: Pixels) -> Array:
        """(T, H, W, 3) uint8 RGB → the tensor for ``image_input``; free sides that are no multiple are
        padded at the bottom and right by repeating the last row and column.

        BadPayload: not such an array, or not ``window.frames`` frames for a model that takes windows.
        OutsideShapeProfile: a size that the model does not take.
        """
        picture = self.picture_input
        if rgb.ndim != 4 or rgb.shape[3] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
            raise BadPayload(f"got {list(rgb.shape)} {rgb.dtype}, expected (T, H, W, 3) uint8")
        if picture.is_window and len(rgb) != self.window.frames:
            raise BadPayload(f"got {len(rgb)} frames, the model takes windows of {self.window.frames}")
        height, width = self.padded_size(*rgb.shape[1:3])
        return picture.encode(pad_to(rgb, height, width))

    def to_pixels(self, tensor: Array, size: tuple[int, int] | None = None) -> Pixels:
        """What ``image_output`` gave → (T, H, W, 3) uint8 RGB: rounded half up, clipped, NaN as 0.
        ``size``: height and width to crop to, for pictures that were padded."""
        pixels = self.picture_output.decode(tensor)
        return pixels if size is None else pixels[:, : size[0], : size[1]]


def pad_to(rgb: Pixels, height: int, width: int) -> Pixels:
    """(T, H, W, 3) → at least ``height`` x ``width``, the last row and column repeated."""
    down, right = max(0, height - rgb.shape[1]), max(0, width - rgb.shape[2])
    if not (down or right):
        return rgb
    return np.pad(rgb, ((0, 0), (0, down), (0, right), (0, 0)), mode="edge")
