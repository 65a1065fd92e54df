"""Shape profiles of model.toml: the sizes that a TensorRT plan of a model is built for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reelwire.engines.backend import TensorSpec
from reelwire.models.default_profiles import shapes_at
from reelwire.models.spec import ModelSpec


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
        least = _least_side(spec)
        corners = [
            shapes_at(spec, inputs, 1, (least, least)),
            shapes_at(spec, inputs, 1, _seen(spec, sizes.likely)),
            shapes_at(spec, inputs, sizes.batch, _seen(spec, sizes.largest)),
        ]
        shapes = {tensor.name: [list(corner[tensor.name]) for corner in corners] for tensor in free}
        made.append({"name": sizes.name, "inputs": shapes})
    return made


def _seen(spec: ModelSpec, shown: tuple[int, int]) -> tuple[int, int]:
    """What goes in for what comes out."""
    height, width = (max(_least_side(spec), min(side // spec.scale, spec.max_size)) for side in shown)
    return height, width


def _least_side(spec: ModelSpec) -> int:
    """The least side that the model takes."""
    return -(-spec.min_size // spec.multiple) * spec.multiple
