"""How much memory a graph's tensors need at once, from shapes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from exporters.errors import ExportError

BYTES = {
    onnx.TensorProto.FLOAT: 4,
    onnx.TensorProto.FLOAT16: 2,
    onnx.TensorProto.BFLOAT16: 2,
    onnx.TensorProto.DOUBLE: 8,
    onnx.TensorProto.INT64: 8,
    onnx.TensorProto.INT32: 4,
    onnx.TensorProto.UINT8: 1,
    onnx.TensorProto.INT8: 1,
    onnx.TensorProto.BOOL: 1,
}


@dataclass(frozen=True, slots=True)
class Memory:
    """``peak_bytes``: the most that is alive at once, node after node, inputs and outputs among it, weights
    not. ``unknown``: tensors whose shape could not be inferred, which are not counted."""

    peak_bytes: int
    unknown: int


def activation_memory(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> Memory:
    """At these input shapes. A runtime that fuses needs less, one that keeps workspaces more. ExportError:
    the graph does not take these shapes."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        if value.name in shapes:
            _fix(value, shapes[value.name])
    del sized.graph.value_info[:]
    for value in sized.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True).graph
    except onnx.shape_inference.InferenceError as error:
        reason = " ".join(str(error).split())[:200]
        raise ExportError(f"shapes {dict(shapes)} do not fit the graph: {reason}") from None
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    bytes_of = {value.name: _bytes(value) for value in values}
    return _walk(inferred, bytes_of)


def _fix(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    dims = value.type.tensor_type.shape.dim
    fixed = [dim.dim_value or None for dim in dims]
    if len(dims) != len(shape) or any(a not in (None, b) for a, b in zip(fixed, shape, strict=True)):
        raise ExportError(f'shape {list(shape)} of "{value.name}" does not fit the graph: {fixed}')
    for dim, length in zip(dims, shape, strict=True):
        dim.dim_value = length


def _walk(graph: onnx.GraphProto, bytes_of: Mapping[str, int | None]) -> Memory:
    """A tensor lives from the node that makes it to the last that uses it."""
    last = {name: place for place, node in enumerate(graph.node) for name in node.input}
    last |= {value.name: len(graph.node) for value in graph.output}
    weights = {tensor.name for tensor in graph.initializer}
    alive = {value.name for value in graph.input} - weights
    peak, unknown = 0, 0
    for place, node in enumerate(graph.node):
        alive |= {name for name in node.output if name}
        unknown += sum(bytes_of.get(name) is None for name in node.output if name)
        peak = max(peak, sum(bytes_of.get(name) or 0 for name in alive))
        alive = {name for name in alive if last.get(name, -1) > place}
    return Memory(peak, unknown)


def _bytes(value: onnx.ValueInfoProto) -> int | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or any(not dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None
    count = BYTES.get(tensor.elem_type, 4)
    for dim in tensor.shape.dim:
        count *= dim.dim_value
    return count
