"""Runs a graph on a mid-gray picture to learn what it does not say: scale, size multiple, state shapes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reelwire.engines.backend import Array, Engine
from reelwire.errors import BadPayload, ModelUnusable, OutsideShapeProfile
from reelwire.models.pictures import PictureTensor
from reelwire.models.recurrent import StatefulRunner
from reelwire.models.spec import ModelSpec, StateSpec

MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
PROBE_SIDE = 48
"""Pixels; enough for the borders that networks reflect, little work."""
GRAY = 128


@dataclass(frozen=True, slots=True)
class Trial:
    """A model as it may be: run it to see."""

    engine: Engine
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Probed:
    """A trial that ran, and what came out of its first run on ``height`` x ``width``."""

    spec: ModelSpec
    outputs: Mapping[str, Array]
    height: int
    width: int


def probe_size(picture: PictureTensor, multiple: int, least: int) -> tuple[int, int]:
    """A small height and width that are odd multiples of ``multiple``, so that a graph that needs more than
    ``multiple`` fails; unequal, so that swapped axes show."""
    factor = max(3, -(-max(PROBE_SIDE, least) // multiple)) | 1
    return picture.height or factor * multiple, picture.width or (factor + 2) * multiple


def first_that_runs(
    engine: Engine,
    trials: Sequence[ModelSpec],
    multiples: Sequence[int],
    shapes: Sequence[tuple[StateSpec, ...]],
) -> Iterator[Probed | ModelUnusable]:
    """All combinations, the likeliest first; each a result or why it failed."""
    for trial, multiple, states in itertools.product(trials, multiples, shapes):
        spec = replace(trial, multiple=multiple, states=states)
        try:
            yield run_gray(Trial(engine, spec))
        except ModelUnusable as error:
            yield error
        except (OutsideShapeProfile, BadPayload) as error:
            yield ModelUnusable(error.message)


def run_gray(trial: Trial) -> Probed:
    """Two steps, so that a state that cannot be carried shows. ModelUnusable: it failed, or a number that
    came out is not finite."""
    spec = trial.spec
    picture = spec.picture_input
    height, width = probe_size(picture, spec.multiple, spec.min_size)
    gray = np.full((spec.window.frames, height, width, 3), GRAY, np.uint8)
    runner = StatefulRunner(trial)
    tensor = spec.to_tensor(gray)
    outputs, states = runner.run({picture.name: tensor}), runner.state()
    if spec.states:
        runner.run({picture.name: tensor})
        _check_states(trial, states, height, width)
    runner.close()
    for name, array in (*outputs.items(), *states.items()):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelUnusable(f'"{name}" holds NaN or infinity for a mid-gray {width}x{height} picture')
    return Probed(spec, outputs, height, width)


def _check_states(trial: Trial, states: Mapping[str, Array], height: int, width: int) -> None:
    """A state that starts as a fraction of the picture must come back in that size: anything else worked
    only by chance."""
    sizes = {"H": height, "W": width, "N": 1}
    for state in trial.spec.states:
        if any(isinstance(dim, str) for dim in state.dims):
            start, back = state.start(sizes).shape, states[state.input].shape
            if start != back:
                raise ModelUnusable(
                    f'state "{state.input}" starts as {list(start)}, comes back as {list(back)}'
                )


def probe_tensors(trial: Trial) -> str:
    """Best effort for a model without a picture: one sentence about a run on zeros. ``free_inputs`` get 1
    where a length is free, then longer ones."""
    said = ""
    for length in (1, 16, 64, 256, 512, 1024):
        feeds = {
            tensor.name: np.zeros(_lengths(tensor.shape, length), tensor.dtype)
            for tensor in trial.spec.free_inputs
        }
        try:
            runner = StatefulRunner(trial)
            outputs = runner.run(feeds)
            runner.close()
        except (ModelUnusable, OutsideShapeProfile, BadPayload) as error:
            said = said or f"a run on zeros failed ({error.message[:120]}); it needs other lengths or values"
            continue
        given = ", ".join(f'"{name}" {list(array.shape)}' for name, array in feeds.items())
        got = ", ".join(f'"{name}" {list(array.shape)}' for name, array in outputs.items())
        return f"a run on zeros works: {given} gives {got}"
    return said


def _lengths(shape: Sequence[int | str], length: int) -> tuple[int, ...]:
    """The leading free axis is the batch, 1; the others are ``length``."""
    return tuple(
        dim if isinstance(dim, int) else (1 if axis == 0 else length) for axis, dim in enumerate(shape)
    )
