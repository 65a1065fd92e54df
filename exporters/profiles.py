"""Shape profiles: the sizes that a TensorRT plan of a model is built for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reelwire.engines.backend import TensorSpec
from reelwire.models.spec import ModelSpec

Shape = list[int]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Likeliest and largest picture that comes out, height and width; and the largest batch."""

    name: str
    likely: tuple[int, int]
    largest: tuple[int, int]
    batch: int


STANDARD = (
    Sizes("720p", (360, 640), (720, 1280), 4),
    Sizes("1080p", (1080, 1920), (1080, 1920), 1),
)
"""Few and as tight as can be: a plan's memory is what its largest size needs."""


def profiles_for(spec: ModelSpec, inputs: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
    """[[profiles]] of model.toml; none for a model without free lengths or without a picture."""
    free = [tensor for tensor in inputs if any(isinstance(length, str) for length in tensor.shape)]
    if spec.image_input is None or not free:
        return []
    made = []
    for sizes in STANDARD:
        least = _side_of(spec, 1)
        corners = [
            shapes_at(spec, inputs, 1, (least, least)),
            shapes_at(spec, inputs, 1, _seen(spec, sizes.likely)),
            shapes_at(spec, inputs, sizes.batch, _seen(spec, sizes.largest)),
        ]
        shapes = {tensor.name: [corner[tensor.name] for corner in corners] for tensor in free}
        made.append({"name": sizes.name, "inputs": shapes})
    return made


def shapes_at(
    spec: ModelSpec, inputs: tuple[TensorSpec, ...], batch: int, size: tuple[int, int]
) -> dict[str, Shape]:
    """Every input's shape for pictures of this height and width; fixed sides keep their length."""
    picture = spec.picture_input
    height, width = picture.height or size[0], picture.width or size[1]
    frames = spec.window.frames if picture.is_window else batch
    shape = spec.to_tensor(np.zeros((frames, height, width, 3), np.uint8)).shape
    lengths: dict[str, int] = {"N": shape[0]}
    lengths["H"], lengths["W"] = picture.size_of(shape)
    by_name = {tensor.name: tensor for tensor in inputs}
    for dim, length in zip(by_name[picture.name].shape, shape, strict=True):
        if isinstance(dim, str):
            lengths.setdefault(dim, length)
    found = {picture.name: list(shape)}
    found |= {state.input: list(state.start(lengths).shape) for state in spec.states}
    found |= {name: list(array.shape) for name, array in spec.constants.items()}
    return found


def _seen(spec: ModelSpec, shown: tuple[int, int]) -> tuple[int, int]:
    """What goes in for what comes out."""
    height, width = (max(_side_of(spec, 1), min(side // spec.scale, spec.max_size)) for side in shown)
    return height, width


def _side_of(spec: ModelSpec, side: int) -> int:
    """The least side from ``side`` up that the model takes."""
    return -(-max(side, spec.min_size) // spec.multiple) * spec.multiple
