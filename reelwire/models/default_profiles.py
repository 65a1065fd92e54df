"""Shape profiles of a model that has none in model.toml: from what its inputs mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reelwire.engines.backend import ShapeProfile, TensorSpec
from reelwire.errors import ProfileInvalid
from reelwire.models.spec import ModelSpec

NAME = "default"
LEAST_PX = 32
"""Of either side; a smaller least size costs a plan nothing, smaller video does not come."""
LIKELIEST = (360, 640)
LARGEST = (1080, 1920)
"""Height and width. A plan's memory is what its largest size needs."""
Shape = tuple[int, ...]


def default_profiles(
    spec: ModelSpec, inputs: Sequence[TensorSpec], batches: tuple[int, int] = (1, 1)
) -> tuple[ShapeProfile, ...]:
    """One profile from the least size that the model takes to 1920 x 1080, likeliest 640 x 360, each rounded
    up to the model's multiple and kept within its bounds; none where all lengths are fixed. ``batches``: the
    least and largest. ProfileInvalid: a free length that the model's description does not give."""
    free = [tensor for tensor in inputs if any(isinstance(length, str) for length in tensor.shape)]
    if not free:
        return ()
    if spec.image_input is None:
        raise _not_derived(free[0], "the model takes no picture")
    least = (max(LEAST_PX, spec.min_size),) * 2
    points = ((batches[0], least), (batches[0], LIKELIEST), (batches[1], LARGEST))
    corners = [shapes_at(spec, inputs, batch, _within(spec, size)) for batch, size in points]
    for tensor in free:
        if tensor.name not in corners[0]:
            raise _not_derived(tensor, "it is neither the picture, a state nor a constant")
    shapes = {name: (corners[0][name], corners[1][name], corners[2][name]) for name in corners[0]}
    kept = {tensor.name for tensor in free}
    return (ShapeProfile(NAME, {name: each for name, each in shapes.items() if name in kept}),)


def shapes_at(
    spec: ModelSpec, inputs: Sequence[TensorSpec], batch: int, size: tuple[int, int]
) -> dict[str, Shape]:
    """The shapes of picture, states and constants for one height and width; fixed sides keep their length.
    ``batch``: pictures, or windows, in one run."""
    picture = spec.picture_input
    height, width = picture.height or size[0], picture.width or size[1]
    frames = spec.window.frames if picture.is_window else batch
    shape = list(spec.to_tensor(np.zeros((frames, height, width, 3), np.uint8)).shape)
    if picture.is_window:
        shape[0] = batch
    sizes = {"N": shape[0]}
    sizes["H"], sizes["W"] = picture.size_of(tuple(shape))
    named = next(tensor for tensor in inputs if tensor.name == picture.name)
    for dim, length in zip(named.shape, shape, strict=True):
        if isinstance(dim, str):
            sizes.setdefault(dim, length)
    found: dict[str, Shape] = {picture.name: tuple(shape)}
    found |= {state.input: state.start(sizes).shape for state in spec.states}
    return found | {name: array.shape for name, array in spec.constants.items()}


def _within(spec: ModelSpec, size: tuple[int, int]) -> tuple[int, int]:
    """Sides that the model takes, near to ``size``."""
    most = spec.max_size // spec.multiple * spec.multiple
    low, high = (min(most, -(-max(side, spec.min_size) // spec.multiple) * spec.multiple) for side in size)
    return low, high


def _not_derived(tensor: TensorSpec, why: str) -> ProfileInvalid:
    return ProfileInvalid(
        f"no shape profile can be derived for {tensor}: {why}; say it in model.toml: [[profiles]]",
        field=tensor.name,
    )
