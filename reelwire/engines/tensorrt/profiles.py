"""Shape profiles, checked against the graph before TensorRT sees them: it only warns of contradictions at
the least and largest sizes, and of some not at all, and then builds plans that fail when they run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from reelwire.engines.backend import UNKNOWN, ShapeProfile, TensorSpec
from reelwire.errors import ProfileInvalid

POINTS = ("least", "likeliest", "largest")
PRODUCT = re.compile(
    r"^(?:(?P<factor>[1-9]\d*)\s*\*\s*)?(?P<symbol>[A-Za-z_]\w*)(?:\s*\*\s*(?P<after>[1-9]\d*))?$"
)
"""A dimension's name: "h", "4*h4" or "h4*4"."""
MOST_SHAPE_VALUES = 1024
"""Constants up to this many numbers may be lengths; the others are weights, and shapes do not need them."""
SHAPE_FAULT = re.compile(
    r"\(op_type:(?P<operator>\w+)(?:, node name: (?P<node>[^)]*))?\): \[ShapeInferenceError\] (?P<why>[^\n]*)"
)
Shape = tuple[int, ...]


def graph_inputs(model: onnx.ModelProto) -> tuple[TensorSpec, ...]:
    """What must be fed: inputs that are no weights."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return tuple(_spec(value) for value in model.graph.input if value.name not in weights)


def read_without_weights(path: Path) -> onnx.ModelProto:
    """The graph without the numbers of its large constants, for questions about shapes alone."""
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) > MOST_SHAPE_VALUES:
            name, dims, type_ = tensor.name, list(tensor.dims), tensor.data_type
            tensor.Clear()
            tensor.name, tensor.data_type = name, type_
            tensor.dims.extend(dims)
    return model


def check_profiles(inputs: Sequence[TensorSpec], profiles: Sequence[ShapeProfile]) -> None:
    """Least ≤ likeliest ≤ largest, every input with free lengths is named and nothing else is, fixed lengths
    are the graph's, and lengths of one name agree over all inputs at each of the three points, products such
    as "4*h4" and "h4" too. ProfileInvalid names the tensor."""
    free = {spec.name: spec for spec in inputs if any(isinstance(length, str) for length in spec.shape)}
    known = {spec.name: spec for spec in inputs}
    if free and not profiles:
        raise _invalid(next(iter(free)), "has free lengths and no shape profile gives them")
    for profile in profiles:
        for name in sorted(profile.inputs.keys() - known.keys()):
            raise _invalid(name, f"is no input; the graph has {', '.join(known)}", profile)
        for name in sorted(free.keys() - profile.inputs.keys()):
            raise _invalid(name, "has free lengths that are not given", profile)
        for name, shapes in profile.inputs.items():
            _check_input(known[name], shapes, profile)
        for index in range(len(POINTS)):
            _check_symbols(known, profile, index)


def check_shapes_solve(model: onnx.ModelProto, profiles: Sequence[ShapeProfile]) -> None:
    """Follows the shapes through the whole graph at each profile's three points, by ONNX's own shape
    inference. Finds graphs in which a size was fixed when they were exported. ProfileInvalid names the node.
    ``model``: as ``read_without_weights`` gives it."""
    for profile in profiles:
        for index, point in enumerate(POINTS):
            fault = _shape_fault(model, {name: shapes[index] for name, shapes in profile.inputs.items()})
            if fault:
                first = next(iter(profile.inputs))
                raise _invalid(
                    first, f"does not pass through the graph at its {point} size: {fault}", profile
                )


def _check_input(spec: TensorSpec, shapes: Sequence[Shape], profile: ShapeProfile) -> None:
    for point, shape in zip(POINTS, shapes, strict=True):
        if len(shape) != len(spec.shape):
            raise _invalid(
                spec.name, f"has {len(spec.shape)} axes, its {point} shape {list(shape)} has not", profile
            )
        for axis, (want, got) in enumerate(zip(spec.shape, shape, strict=True)):
            if isinstance(want, int) and got != want:
                raise _invalid(spec.name, f"has length {want} on axis {axis}, the profile {got}", profile)
            if got < 1:
                raise _invalid(spec.name, f"needs lengths of 1 at least, axis {axis} has {got}", profile)
    for (low, least), (high, most) in zip(
        zip(POINTS, shapes, strict=True), zip(POINTS[1:], shapes[1:], strict=False), strict=False
    ):
        if any(below > above for below, above in zip(least, most, strict=True)):
            raise _invalid(
                spec.name, f"has a {low} shape {list(least)} above its {high} {list(most)}", profile
            )


def _check_symbols(inputs: Mapping[str, TensorSpec], profile: ShapeProfile, index: int) -> None:
    """Every name has one length at this point."""
    lengths: dict[str, tuple[int, str]] = {}
    for name, shapes in profile.inputs.items():
        for symbol, factor, got in _products(inputs[name].shape, shapes[index]):
            length, left = divmod(got, factor)
            if left:
                raise _invalid(
                    name,
                    f"needs a multiple of {factor} ({factor}*{symbol}), its {POINTS[index]} shape has {got}",
                    profile,
                )
            before, where = lengths.setdefault(symbol, (length, name))
            if before != length:
                raise _invalid(
                    name,
                    f'has {symbol} = {length} in its {POINTS[index]} shape, "{where}" has {before}',
                    profile,
                )


def _products(dims: Sequence[int | str], shape: Shape) -> Iterator[tuple[str, int, int]]:
    """Symbol, factor, length of every axis whose name is one, or a multiple of one."""
    for dim, got in zip(dims, shape, strict=True):
        match = PRODUCT.match(dim) if isinstance(dim, str) else None
        if match:
            yield match["symbol"], int(match["factor"] or 1) * int(match["after"] or 1), got


def _shape_fault(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> str:
    """Empty where the shapes go through. Types are not looked at: operators that ONNX does not know have
    none."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]  # what an exporter noted on its way; no runtime believes it
    for value in fixed.graph.input:
        if value.name in shapes:
            for dim, length in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
                dim.dim_value = length
    try:
        onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        if match := SHAPE_FAULT.search(str(error)):
            return f'node "{match["node"] or "?"}" ({match["operator"]}): {match["why"]}'
    return ""


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    shape = (
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or UNKNOWN) for dim in tensor.shape.dim
    )
    return TensorSpec(value.name, dtype, tuple(shape))


def _invalid(tensor: str, problem: str, profile: ShapeProfile | None = None) -> ProfileInvalid:
    where = f'shape profile "{profile.name}": ' if profile else ""
    return ProfileInvalid(
        f'{where}"{tensor}" {problem}; fix: correct [[profiles]] in model.toml, or --profile', field=tensor
    )
