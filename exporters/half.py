"""fp32 → fp16: the weights and all that is computed. Inputs and outputs stay as they are, so that one
model.toml fits all variants; casts stand at the borders, since TensorRT mixes no types by itself."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from exporters.errors import ExportError
from exporters.order import sort_nodes
from reelwire.engines.backend import Array

LARGEST = float(np.finfo(np.float16).max)


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph in fp16, nodes in order. ExportError: a weight beyond fp16's range."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _check_weights(copy)
    with warnings.catch_warnings():
        # Numbers below fp16's least become its least, which is what half would make of them, or 0.
        warnings.simplefilter("ignore", UserWarning)
        half: onnx.ModelProto = convert_float_to_float16(copy, keep_io_types=True)
    del half.graph.value_info[:]  # some still have the types of before
    sort_nodes(half.graph)
    try:
        onnx.checker.check_model(half, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(
            f"the graph in fp16 is not valid ONNX: {' '.join(str(error).split())[:300]}"
        ) from None
    return half


def check_range(path: Path, runs: Sequence[Mapping[str, Array]]) -> float:
    """Runs the fp32 graph with every intermediate as an output; gives the largest magnitude there was.

    ONNX Runtime's CPU computes fp16 graphs in fp32 and so hides what overflows: this finds it. ExportError
    names the node whose output fp16 cannot hold.
    """
    model = onnx.load(str(path))
    makers = {name: node for node in model.graph.node for name in node.output if name}
    shown = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in makers if name not in shown)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    worst = 0.0
    for inputs in runs:
        for name, array in zip(names, session.run(names, dict(inputs)), strict=True):
            if array.dtype != np.float32 or not array.size:
                continue
            magnitude = float(np.abs(array).max())
            if not magnitude <= LARGEST:
                node = makers[name]
                raise ExportError(
                    f'node "{node.name or name}" ({node.op_type}) reaches {magnitude:.4g} on real frames; '
                    f"fp16 holds at most {LARGEST:g}: keep this model in fp32, or scale it down before"
                )
            worst = max(worst, magnitude)
    return worst


def _check_weights(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.dims:
            largest = float(np.abs(onnx.numpy_helper.to_array(tensor)).max(initial=0.0))
            if not largest <= LARGEST:
                raise ExportError(
                    f'weights "{tensor.name}" reach {largest:.4g}; fp16 holds at most {LARGEST:g}: keep this '
                    "model in fp32"
                )
