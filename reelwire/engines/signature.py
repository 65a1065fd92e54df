"""A graph's inputs and outputs as its file states them, for runtimes that drop the names of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from reelwire.engines.backend import UNKNOWN, TensorSpec
from reelwire.errors import ModelUnusable


def read_signature(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs, without those that are weights, and outputs, in the file's order. ModelUnusable: one is no
    tensor of numbers."""
    graph = onnx.load(str(path), load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    given = [value for value in graph.input if value.name not in weights]
    return _specs(given), _specs(graph.output)


def _specs(values: Sequence[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    return tuple(_spec(value) for value in values)


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    except KeyError:
        dtype = None
    if dtype is None or dtype.kind not in "fiub":
        raise ModelUnusable(f'"{value.name}" is no tensor of numbers; export it as one')
    shape = tuple(
        int(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or UNKNOWN
        for dim in tensor.shape.dim
    )
    return TensorSpec(value.name, str(dtype), shape)
