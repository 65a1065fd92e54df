"""A plan in memory: what it takes and gives, checked against the graph that it should be of."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from reelwire.engines.backend import TensorSpec
from reelwire.engines.tensorrt.libraries import Libraries
from reelwire.engines.tensorrt.messages import plan_error, tensorrt_log
from reelwire.errors import DeviceMissing, ModelUnusable, OutsideShapeProfile, PlanStale

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
NUMPY_NAME = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}
"""TensorRT's names of types that NumPy has."""
FAILED = ("ERROR", "INTERNAL_ERROR")
FREE = -1
"""A length that a plan leaves open."""


class LoadedPlan:
    """A deserialised plan, shared by all streams. ``inputs`` and ``outputs``: as the graph's file states
    them, with its names of dimensions, which a plan does not keep."""

    def __init__(
        self,
        libraries: Libraries,
        plan: bytes,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
    ) -> None:
        """PlanStale: the library refuses it, or it is of another graph. ModelUnusable: a tensor that cannot
        be fed. DeviceMissing: no GPU after all."""
        trt = libraries.trt
        self.inputs, self.outputs = inputs, outputs
        self._log = tensorrt_log(trt)
        try:
            self._runtime = trt.Runtime(self._log)
        except (TypeError, RuntimeError) as error:  # as pybind11 says that the library gave nothing
            raise DeviceMissing(f"{libraries.name} does not start: {error}", field="backend") from None
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise plan_error(list(self._log.rows))
        self._check(trt)
        self._profiles = tuple(self._ranges(index) for index in range(self._engine.num_optimization_profiles))
        self._lock = threading.Lock()

    def new_context(self) -> Any:
        """An execution context of its own. ModelUnusable: no memory for it."""
        with self._lock:
            context = self._engine.create_execution_context()
        if context is None:
            raise ModelUnusable(f"TensorRT cannot start a stream: {self.last_error()}")
        return context

    def profile_for(self, shapes: Shapes) -> int:
        """The profile to run these input shapes in: one whose likeliest sizes they are, else the tightest
        that holds them. OutsideShapeProfile: none does."""
        fitting = [index for index, ranges in enumerate(self._profiles) if _outside(ranges, shapes) is None]
        if not fitting:
            raise self._refusal(shapes)

        def order(index: int) -> tuple[bool, int]:
            ranges = self._profiles[index]
            likeliest = all(ranges[name][1] == shape for name, shape in shapes.items())
            return not likeliest, sum(math.prod(largest) for _, _, largest in ranges.values())

        return min(fitting, key=order)

    def last_error(self) -> str:
        """The library's last words, one line."""
        rows = self._log.rows.copy()  # in one go: other streams write into it
        said = [row.text for row in rows if row.severity in FAILED]
        return " ".join(said[-1].split()) if said else "the library did not say why"

    def close(self) -> None:
        """Frees it; no context may be left."""
        self._engine = None
        self._runtime = None

    def _ranges(self, index: int) -> dict[str, tuple[Shape, Shape, Shape]]:
        found = {}
        for spec in self.inputs:
            fixed = tuple(self._engine.get_tensor_shape(spec.name))
            if FREE not in fixed:
                found[spec.name] = (fixed, fixed, fixed)
                continue
            least, likeliest, largest = self._engine.get_tensor_profile_shape(spec.name, index)
            found[spec.name] = (tuple(least), tuple(likeliest), tuple(largest))
        return found

    def _check(self, trt: Any) -> None:
        """That names, types and fixed lengths are the graph's: a plan that passed every other check may still
        be another model's."""
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        given = {name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
        for specs, got in ((self.inputs, given), (self.outputs, set(names) - given)):
            wanted = {spec.name for spec in specs}
            if wanted != got:
                raise _another(f"it has {sorted(got)}, the graph has {sorted(wanted)}")
            for spec in specs:
                self._check_tensor(spec)

    def _check_tensor(self, spec: TensorSpec) -> None:
        dtype = self._engine.get_tensor_dtype(spec.name).name
        if NUMPY_NAME.get(dtype) != spec.dtype:
            raise _another(f'its "{spec.name}" is {dtype}, the graph has {spec}')
        if self._engine.is_shape_inference_io(spec.name):
            raise ModelUnusable(
                f"TensorRT reads {spec} as a shape, which must lie on the host; fix: export the model with "
                "that value as a constant",
                field=spec.name,
            )
        shape = tuple(self._engine.get_tensor_shape(spec.name))
        # of an output the library may not know what the file says
        free = () if spec in self.inputs else (FREE,)
        fits = len(shape) == len(spec.shape) and all(
            isinstance(want, str) or got in (want, *free) for got, want in zip(shape, spec.shape, strict=True)
        )
        if not fits:
            raise _another(f'its "{spec.name}" is {list(shape)}, the graph has {spec}')

    def _refusal(self, shapes: Shapes) -> OutsideShapeProfile:
        name = _outside(self._profiles[0], shapes) or next(iter(shapes))
        taken = " or ".join(
            f"{list(ranges[name][0])} to {list(ranges[name][2])}" for ranges in self._profiles
        )
        return OutsideShapeProfile(
            f'input "{name}" was given {list(shapes[name])}; the plan takes {taken}; fix: add a shape '
            "profile to model.toml and build the plan again",
            field=name,
        )


def _outside(ranges: Mapping[str, tuple[Shape, Shape, Shape]], shapes: Shapes) -> str | None:
    """The first input that the profile does not hold."""
    for name, shape in shapes.items():
        least, _, largest = ranges[name]
        inside = len(shape) == len(least) and all(
            low <= length <= high for low, length, high in zip(least, shape, largest, strict=True)
        )
        if not inside:
            return name
    return None


def _another(why: str) -> PlanStale:
    return PlanStale(
        f"the plan is that of another model: {why}; fix: build it again with reelwire export tensorrt"
    )
