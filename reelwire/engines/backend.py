"""What every inference backend offers. No backend is imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reelwire.engines.graph import GraphFacts
from reelwire.errors import BackendMissing, BadPayload, DeviceMissing, OutsideShapeProfile, ReelwireError

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


@dataclass(frozen=True, slots=True)
class Variant:
    """One ONNX file of a model. ``precision``: "fp32", "fp16" or "int8", as the file computes. ``form``: of
    int8 only: "s8s8" (activations signed and symmetric: TensorRT, OpenVINO) or "u8s8" (ONNX Runtime on
    CPUs)."""

    facts: GraphFacts
    precision: str
    form: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run a model. ``precision`` is what is computed in: "fp32", "bf16", "fp16" or "int8"."""

    backend: str
    variant: Variant
    precision: str

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


@dataclass(frozen=True, slots=True)
class ShapeProfile:
    """Sizes that a plan is built for: for each input with free lengths the least, likeliest and largest
    shape."""

    name: str
    inputs: Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a candidate is opened. ``threads`` of one inference on a CPU, 0: all usable cores. ``states``:
    recurrent inputs and the outputs that go back into them. ``cache``: folder of built plans; None: the
    user's."""

    threads: int = 1
    profiles: tuple[ShapeProfile, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can run here, found out without loading a model or building an object of its own.

    ``device``: what it would run on; ``problem``: why not, one line, empty where it can; ``fix``: what to do
    about it; ``installed``: False where the problem is that it is not installed.
    """

    backend: str
    device: str = ""
    problem: str = ""
    fix: str = ""
    installed: bool = True

    @property
    def ok(self) -> bool:
        """It can run."""
        return not self.problem

    def error(self) -> ReelwireError:
        """What a caller is told who asked for it by name."""
        text = f'backend "{self.backend}" cannot be used: {self.problem}; fix: {self.fix}'
        kind = DeviceMissing if self.installed else BackendMissing
        return kind(text, field="backend")


class EngineStream(Protocol):
    """One stream's runs of an engine, with its recurrent state, which lies where the engine runs.

    Not safe for two threads at once.
    """

    def step(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """One run. ``feeds``: every input that is no state. Gives every output that is no state, in arrays
        of the caller's own. Raises as ``Engine.run``; ModelUnusable as well where a state's shape changes."""

    def state(self) -> dict[str, Array]:
        """The state by input name; empty before the first ``load``."""

    def load(self, state: Mapping[str, Array]) -> None:
        """Goes on from this state, by input name; an empty one: nothing is known. A model with states needs
        one before its first ``step``."""

    def close(self) -> None:
        """Frees what this stream had. May be called twice."""


class Engine(Protocol):
    """A loaded graph: stateless, deterministic, shared by all streams and safe to run from many threads.

    ``backend`` and ``device`` are what really runs it; ``precision`` is what it computes in.
    """

    @property
    def backend(self) -> str:
        """ "onnxruntime", …"""

    @property
    def device(self) -> str:
        """ "cpu", or a GPU's name."""

    @property
    def precision(self) -> str:
        """ "fp32", "bf16", "fp16" or "int8"."""

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

    def stream(self, states: Mapping[str, str]) -> EngineStream:
        """For one stream. ``states``: recurrent inputs and the outputs that go back into them."""

    def close(self) -> None:
        """Frees the graph; no ``run`` may be under way or follow."""


class Backend(Protocol):
    """One way to run graphs."""

    @property
    def name(self) -> str:
        """What it is asked for by."""

    def probe(self) -> Availability:
        """Whether it can run here. Never raises, never crashes the process, builds nothing."""

    def candidates(self, variants: Sequence[Variant]) -> tuple[Candidate, ...]:
        """How it could run a model of these files, the most exact first. Called where ``probe`` was ok."""

    def open(self, candidate: Candidate, options: EngineOptions) -> Engine:
        """Loads it. ModelUnusable, ProfileInvalid, PlanMissing, PlanStale, DeviceFellBack: why not."""


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
