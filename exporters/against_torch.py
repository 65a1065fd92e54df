"""Whether the graph computes what the network does: torch against the engine that serves, at many sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from exporters.errors import ExportError
from reelwire.engines.backend import Engine
from reelwire.engines.select import Wanted, open_engine
from reelwire.errors import ReelwireError
from training.recipe import BATCH, Exportable

Arrays = dict[str, npt.NDArray[np.float32]]
TOLERANCE = 1e-4
"""Largest difference that passes, in units of the output; a level of 8-bit video is 4e-3 of 0..1."""
GROWTH = (1, 25)
"""Multiples that free dimensions grow by over the traced size, in the cases that were never traced."""
ODD_BATCH = 3


@dataclass(frozen=True, slots=True)
class Parity:
    """``error``: the largest absolute difference anywhere. ``sizes``: of the first input, case by case.
    ``steps``: runs in a row with state carried, 0 for a network without state; ``steps_error`` of those."""

    error: float
    sizes: tuple[tuple[int, ...], ...]
    backend: str
    steps: int = 0
    steps_error: float = 0.0


def measure_parity(graph: Path, exportable: Exportable, tolerance: float = TOLERANCE) -> Parity:
    """Runs both on equal random inputs. ExportError: the graph does not run at a size that it should, gives
    another shape, a number that is not finite, or one that is off by more than ``tolerance``."""
    worst, sizes = 0.0, []
    try:
        engine = open_engine(graph, wanted=Wanted("onnxruntime"))
    except ReelwireError as error:
        raise ExportError(f"the exported graph cannot be loaded: {error.message}") from None
    try:
        for inputs in _cases(exportable):
            size = tuple(next(iter(inputs.values())).shape)
            off = _error_at(engine, exportable, inputs, size)
            if off > tolerance:
                raise ExportError(
                    f"the exported graph is off by {off:.3g} at {list(size)}, at most {tolerance:g} passes"
                )
            worst = max(worst, off)
            sizes.append(size)
        return Parity(worst, tuple(sizes), engine.backend)
    finally:
        engine.close()


def _error_at(
    engine: Engine, exportable: Exportable, inputs: Mapping[str, torch.Tensor], size: tuple[int, ...]
) -> float:
    wanted = by_torch(exportable, exportable.module, inputs)
    try:
        got = engine.run({name: tensor.numpy() for name, tensor in inputs.items()})
    except ReelwireError as error:
        raise ExportError(
            f"the exported graph does not run at {list(size)}, a size that must be free: {error.message}"
        ) from None
    worst = 0.0
    for name, want in wanted.items():
        if got[name].shape != want.shape:
            raise ExportError(
                f'"{name}" has shape {list(got[name].shape)} at {list(size)}, expected {list(want.shape)}'
            )
        if not np.isfinite(got[name]).all():
            raise ExportError(f'"{name}" holds NaN or infinity at {list(size)}; train again, at a lower rate')
        worst = max(worst, float(np.abs(got[name] - want).max()))
    return worst


def by_torch(exportable: Exportable, module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> Arrays:
    """Outputs by name, of ``module`` in place of the network's own."""
    with torch.no_grad():
        outputs = module(**inputs)
    tensors = (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)
    return {name: tensor.numpy() for name, tensor in zip(exportable.outputs, tensors, strict=True)}


def _cases(exportable: Exportable) -> Iterator[dict[str, torch.Tensor]]:
    """Random inputs, 0 to 1: as traced, at the least sizes, then larger ones with an odd batch."""
    generator = torch.Generator().manual_seed(0)
    for units in (_traced(exportable), _least(exportable), *(_grown(exportable, by) for by in GROWTH)):
        inputs = {}
        for name, example in exportable.inputs.items():
            shape = list(example.shape)
            for axis, size in exportable.free.get(name, {}).items():
                shape[axis] = units[size.name] * size.multiple
            inputs[name] = torch.rand(shape, generator=generator)
        yield inputs


def _traced(exportable: Exportable) -> dict[str, int]:
    """Each free dimension's length by name, counted in its multiples."""
    return {
        size.name: exportable.inputs[name].shape[axis] // size.multiple
        for name, axes in exportable.free.items()
        for axis, size in axes.items()
    }


def _least(exportable: Exportable) -> dict[str, int]:
    sizes = [size for axes in exportable.free.values() for size in axes.values()]
    return {size.name: size.least_units for size in sizes}


def _grown(exportable: Exportable, by: int) -> dict[str, int]:
    """Each by another amount, so that swapped axes show; within its bound. The batch is odd."""
    sizes = {size.name: size for axes in exportable.free.values() for size in axes.values()}
    grown = {
        name: min(length + by * (1 + index), sizes[name].most_units)
        for index, (name, length) in enumerate(sorted(_traced(exportable).items()))
    }
    return grown | ({BATCH: min(ODD_BATCH, sizes[BATCH].most_units)} if BATCH in grown else {})
