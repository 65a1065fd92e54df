"""What every inference backend offers. No backend is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reelwire.errors import BadPayload, OutsideShapeProfile

Array = npt.NDArray[Any]
UNKNOWN = "?"
"""A dimension that the graph neither fixes nor names."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a graph.

    ``dtype`` is NumPy's name ("float32"). ``shape`` holds a number where the graph fixes a dimension, the
    graph's own name for it where it has one, else "?".
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f'"{self.name}" ({self.dtype} [{", ".join(map(str, self.shape))}])'


class Engine(Protocol):
    """A loaded graph: stateless, deterministic, shared by all streams and safe to run from many threads.

    ``backend`` and ``device`` are what really runs it; ``precision`` is "fp32", "fp16" or "int8".
    """

    @property
    def backend(self) -> str:
        """ "onnxruntime", …"""

    @property
    def device(self) -> str:
        """ "cpu", …"""

    @property
    def precision(self) -> str:
        """ "fp32", "fp16" or "int8"."""

    @property
    def threads(self) -> int:
        """That one ``run`` works on."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` must be given."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` gives."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One inference. BadPayload: a wrong name or type. OutsideShapeProfile: a shape that the graph
        does not take. ModelUnusable: the runtime failed."""

    def close(self) -> None:
        """Frees the graph; no ``run`` may be under way or follow."""


def check_inputs(specs: tuple[TensorSpec, ...], inputs: Mapping[str, Array]) -> None:
    """The same check for every backend, so that all refuse alike. Raises as ``Engine.run`` does."""
    wanted = {spec.name for spec in specs}
    if wanted != inputs.keys():
        missing, extra = sorted(wanted - inputs.keys()), sorted(inputs.keys() - wanted)
        raise BadPayload(f"inputs missing: {missing}, not known: {extra}; expected {sorted(wanted)}")
    for spec in specs:
        array = inputs[spec.name]
        if array.dtype != np.dtype(spec.dtype):
            raise BadPayload(f"input {spec} was given {array.dtype}", field=spec.name)
        fits = len(array.shape) == len(spec.shape) and all(
            isinstance(want, str) or got == want for got, want in zip(array.shape, spec.shape, strict=True)
        )
        if not fits:
            raise OutsideShapeProfile(f"input {spec} was given {list(array.shape)}", field=spec.name)
