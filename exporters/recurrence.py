"""Networks that remember: PyTorch against the engine over many runs, each with its own state carried on.

Which output goes back into which input the served model reads from names and model.toml; the network itself
says it by its order: ``forward`` returns states in the order in which it takes them. Where the two differ,
the numbers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from exporters.against_torch import Arrays, Parity, by_torch
from exporters.errors import ExportError
from exporters.served import Served, opened, run_stream
from reelwire.models.fidelity import max_abs_error
from training.recipe import BATCH, Exportable

STEPS = 60
HALF_STEPS = 200
"""fp16 rounds more, and may drift: longer."""


def with_steps(parity: Parity, folder: Path, exportable: Exportable, tolerance: float) -> Parity:
    """``parity`` with what was measured over ``STEPS`` runs of the model in ``folder``; as it is for one
    without states. ExportError: it is off by more than ``tolerance``."""
    with opened(folder) as served:
        if not served.carries_state:
            return parity
        error = steps_error(served, exportable, STEPS)
    if not error <= tolerance:
        raise ExportError(
            f"with its state carried the exported model is off by {error:.3g} within {STEPS} runs, at most "
            f"{tolerance:g} passes; check [[state]] of model.toml: {_pairs(served)}"
        )
    return replace(parity, steps=STEPS, steps_error=error)


def steps_error(served: Served, exportable: Exportable, steps: int) -> float:
    """The largest difference of any output, state or not, in any of ``steps`` runs."""
    inputs = list(_inputs(served, exportable, steps))
    given = [{name: tensor.numpy() for name, tensor in each.items()} for each in inputs]
    recorder = run_stream(served.engine, served.spec, given)
    wanted = torch_stream(exportable, exportable.module, inputs, _state_start(served, recorder.inputs[0]))
    return max(max_abs_error(one, two) for one, two in zip(wanted, recorder.outputs, strict=True))


def torch_stream(
    exportable: Exportable, module: torch.nn.Module, inputs: list[dict[str, torch.Tensor]], start: Arrays
) -> Iterator[Arrays]:
    """Outputs of each run. The states are in ``start`` by input name; they take the last outputs, in
    order."""
    names = [name for name in exportable.inputs if name in start]
    outputs = list(exportable.outputs)[len(exportable.outputs) - len(names) :]
    dtype = next(module.parameters()).dtype if list(module.parameters()) else None
    state = {name: torch.from_numpy(start[name]) for name in names}
    for each in inputs:
        feeds = {name: tensor.to(dtype) for name, tensor in {**each, **state}.items()}
        got = by_torch(exportable, module, feeds)
        state = {name: torch.from_numpy(got[output]) for name, output in zip(names, outputs, strict=True)}
        yield got


def _inputs(served: Served, exportable: Exportable, steps: int) -> Iterator[dict[str, torch.Tensor]]:
    """Random values, 0 to 1, of the traced size and batch 1."""
    generator = torch.Generator().manual_seed(1)
    states = {state.input for state in served.spec.states}
    for _ in range(steps):
        made = {}
        for name, example in exportable.inputs.items():
            if name in states:
                continue
            batch = [axis for axis, size in exportable.free.get(name, {}).items() if size.name == BATCH]
            shape = [1 if axis in batch else length for axis, length in enumerate(example.shape)]
            made[name] = torch.rand(shape, generator=generator)
        yield made


def _state_start(served: Served, first: dict[str, np.ndarray]) -> Arrays:
    return {state.input: first[state.input] for state in served.spec.states}


def _pairs(served: Served) -> str:
    return ", ".join(f"{state.output} goes into {state.input}" for state in served.spec.states)


def state_shapes(served: Served, exportable: Exportable) -> dict[str, tuple[int, ...]]:
    """Of each state, as traced."""
    return {state.input: tuple(exportable.inputs[state.input].shape) for state in served.spec.states}
