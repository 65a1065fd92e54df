"""fp16 as PyTorch's CPU kernels compute it, which is real half precision: ONNX Runtime's CPU computes fp16
graphs in fp32 and hides what overflows."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch

from exporters.against_torch import Arrays
from exporters.errors import ExportError
from exporters.recurrence import HALF_STEPS, torch_stream
from reelwire.models.fidelity import max_abs_error
from training.recipe import Exportable

TOLERANCE = 2e-2
"""Largest difference from fp32 that passes: five levels of 8-bit video."""
CASES = 3


@dataclass(frozen=True, slots=True)
class HalfParity:
    """``error``: largest difference from fp32; ``late_error``: that of the last quarter of the runs."""

    error: float
    late_error: float
    steps: int


def measure_half(
    exportable: Exportable, states: dict[str, tuple[int, ...]], tolerance: float = TOLERANCE
) -> HalfParity:
    """PyTorch in half against PyTorch in float. ``states``: shape by input name; with them ``HALF_STEPS``
    runs in a row, each precision with its own state, which starts at 0.

    ExportError: half gives NaN or infinity, is off by more than ``tolerance``, or has no kernel here.
    """
    half = copy.deepcopy(exportable.module).half()
    start: Arrays = {name: np.zeros(shape, np.float32) for name, shape in states.items()}
    steps = HALF_STEPS if states else CASES
    generator = torch.Generator().manual_seed(2)
    inputs = [
        {
            name: torch.rand(example.shape, generator=generator)
            for name, example in exportable.inputs.items()
            if name not in states
        }
        for _ in range(steps)
    ]
    errors = []
    try:
        exact = torch_stream(exportable, exportable.module, inputs, start)
        rounded = torch_stream(exportable, half, inputs, start)
        for number, (want, got) in enumerate(zip(exact, rounded, strict=True)):
            errors.append(_error(want, got, number, tolerance))
    except RuntimeError as error:
        raise ExportError(
            f"PyTorch cannot run it in half here: {' '.join(str(error).split())[:200]}"
        ) from None
    return HalfParity(max(errors), max(errors[-len(errors) // 4 :]), steps)


def _error(want: Arrays, got: Arrays, number: int, tolerance: float) -> float:
    for name, array in got.items():
        if not np.isfinite(array).all():
            raise ExportError(
                f'in fp16 "{name}" is NaN or infinity in run {number + 1}: numbers beyond 65504 on the '
                "way; keep this model in fp32, or scale it down inside"
            )
    off = max_abs_error(want, {name: array.astype(np.float32) for name, array in got.items()})
    if not off <= tolerance:
        raise ExportError(
            f"in fp16 it is off by {off:.3g} in run {number + 1}, at most {tolerance:g} passes; keep fp32"
        )
    return off
