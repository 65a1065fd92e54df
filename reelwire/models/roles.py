"""Gives each input of a graph its part: the picture, a state, a constant, or given with each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelwire.engines.backend import Array, TensorSpec
from reelwire.models.manifest import Constant, Manifest
from reelwire.models.pictures import SIZE_AXES
from reelwire.models.refusal import refusal
from reelwire.models.states import may_pair, pair_by_name

PICTURE_TYPES = ("float32", "float16", "float64", "uint8")
MOST_CHANNELS = 4
PICTURE_NAMES = (
    "frame",
    "frames",
    "image",
    "images",
    "img",
    "input",
    "x",
    "src",
    "picture",
    "video",
    "data",
    "lr",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A recurrent pair with what model.toml says of it; ``dims`` None: not said."""

    given: TensorSpec
    got: TensorSpec
    dims: tuple[int | str, ...] | None = None
    initial: float = 0.0


@dataclass(frozen=True, slots=True)
class Roles:
    """Each input in its part. ``layouts``: how the picture may lie, the likeliest first."""

    picture: TensorSpec | None
    layouts: tuple[str, ...]
    pairs: tuple[Pair, ...]
    constants: Mapping[str, Array]
    free: tuple[TensorSpec, ...]

    @property
    def state_outputs(self) -> set[str]:
        """Outputs that go back in."""
        return {pair.got.name for pair in self.pairs}


def assign_roles(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], manifest: Manifest) -> Roles:
    """ModelUnusable: model.toml names what the graph has not, or several inputs could be the picture."""
    constants = _constants(inputs, manifest.constants)
    stated = _stated_pairs(inputs, outputs, manifest)
    taken = {pair.given.name for pair in stated} | constants.keys()
    open_inputs = [tensor for tensor in inputs if tensor.name not in taken]
    pair_outputs = {pair.got.name for pair in stated} | {manifest.output.name}
    open_outputs = [tensor for tensor in outputs if tensor.name not in pair_outputs]
    picture = _choose_picture(open_inputs, open_outputs, manifest)
    rest = [tensor for tensor in open_inputs if tensor is not picture]
    paired = [Pair(given, got) for given, got in pair_by_name(rest, open_outputs)]
    names = {pair.given.name for pair in paired}
    return Roles(
        picture=picture,
        layouts=picture_layouts(picture.shape, manifest) if picture else (),
        pairs=(*stated, *paired),
        constants=constants,
        free=tuple(tensor for tensor in rest if tensor.name not in names),
    )


def picture_layouts(shape: Sequence[int | str], manifest: Manifest) -> tuple[str, ...]:
    """Layouts in which a tensor of this shape can hold RGB pictures, the likeliest first; may be none."""
    stated = manifest.input.layout
    if stated:
        return (stated,) if len(stated) == len(shape) else ()
    return layouts_of(shape, manifest.window.frames if manifest.window else 1)


def layouts_of(shape: Sequence[int | str], window_frames: int) -> tuple[str, ...]:
    """As ``picture_layouts``; frames stacked in the channels are seen only for windows of several."""
    wanted: tuple[tuple[str, int, int], ...] = ()
    if len(shape) == 5:
        wanted = (("NTCHW", 2, 3), ("NCTHW", 1, 3), ("NTHWC", 4, 3))
    elif len(shape) == 4:
        wanted = (("NCHW", 1, 3), ("NHWC", 3, 3))
        if window_frames > 1:
            stacked = 3 * window_frames
            wanted = (("NKHW", 1, stacked), ("NHWK", 3, stacked), *wanted)
    certain = tuple(layout for layout, axis, length in wanted if shape[axis] == length)
    if certain:
        return certain
    return tuple(
        layout for layout, axis, _ in wanted if isinstance(shape[axis], str) and _roomy(shape, layout)
    )


def _roomy(shape: Sequence[int | str], layout: str) -> bool:
    """False where a fixed height or width is as small as a number of channels: [N, 1, H, W] is a gray picture
    and not one of height 1 whose channels are free."""
    sides = (shape[axis] for axis in SIZE_AXES[layout])
    return all(isinstance(side, str) or side > MOST_CHANNELS for side in sides)


def _choose_picture(
    inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], manifest: Manifest
) -> TensorSpec | None:
    name = manifest.input.name
    if name:
        for tensor in inputs:
            if tensor.name == name:
                return tensor
        names = ", ".join(tensor.name for tensor in inputs)
        raise refusal(f'[input] name = "{name}": the graph has no such free input; it has: {names}')
    likely = [
        tensor
        for tensor in inputs
        if tensor.dtype in PICTURE_TYPES and picture_layouts(tensor.shape, manifest)
    ]
    if len(likely) > 1:  # a state may look like a picture
        states = {given.name for given, _ in pair_by_name(likely, outputs)}
        unpaired = [tensor for tensor in likely if tensor.name not in states]
        likely = unpaired or likely
    if len(likely) > 1:
        certain = [tensor for tensor in likely if 3 in tensor.shape]
        likely = certain or likely
    if len(likely) > 1:
        likely = [tensor for tensor in likely if tensor.name.lower() in PICTURE_NAMES] or likely
    if len(likely) > 1:
        names = " or ".join(f'"{tensor.name}"' for tensor in likely)
        raise refusal(
            f"several inputs could be the picture: {names}", "[input]", f'name = "{likely[0].name}"'
        )
    return likely[0] if likely else None


def _stated_pairs(
    inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], manifest: Manifest
) -> tuple[Pair, ...]:
    given_by_name = {tensor.name: tensor for tensor in inputs}
    got_by_name = {tensor.name: tensor for tensor in outputs}
    pairs = []
    for state in manifest.state:
        given, got = given_by_name.get(state.input), got_by_name.get(state.output)
        if given is None:
            raise refusal(f'[[state]] input = "{state.input}": the graph has inputs {sorted(given_by_name)}')
        if got is None:
            raise refusal(f'[[state]] output = "{state.output}": the graph has outputs {sorted(got_by_name)}')
        if not may_pair(given, got):
            raise refusal(f"[[state]] {got} cannot go back into {given}: type or shape differ")
        if state.shape is not None and len(state.shape) != len(given.shape):
            raise refusal(f"[[state]] shape = {list(state.shape)}: input {given} has {len(given.shape)} axes")
        pairs.append(Pair(given, got, state.shape, state.initial))
    return tuple(pairs)


def _constants(inputs: Sequence[TensorSpec], stated: Mapping[str, Constant]) -> dict[str, Array]:
    by_name = {tensor.name: tensor for tensor in inputs}
    constants = {}
    for name, value in stated.items():
        if name not in by_name:
            raise refusal(f"[constants] {name}: the graph has no such input; it has {sorted(by_name)}")
        constants[name] = _constant(by_name[name], value)
    return constants


def _constant(tensor: TensorSpec, value: Constant) -> Array:
    """One number fills the whole shape (free lengths are 1); a list must have it."""
    shape = tuple(dim if isinstance(dim, int) else 1 for dim in tensor.shape)
    try:
        array = np.asarray(value, dtype=tensor.dtype)
    except (ValueError, TypeError, OverflowError):
        raise refusal(f"[constants] {tensor.name} = {value!r} does not fit input {tensor}") from None
    if array.ndim == 0:
        return np.full(shape, array)
    if array.ndim != len(tensor.shape) or any(
        isinstance(want, int) and got != want for got, want in zip(array.shape, tensor.shape, strict=True)
    ):
        raise refusal(
            f"[constants] {tensor.name} has shape {list(array.shape)}, input {tensor} takes another"
        )
    return array
