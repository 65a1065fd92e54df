"""A torch network → an ONNX graph whose batch and size are free, and really free."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch.export import Dim

from exporters.errors import ExportError
from exporters.order import check_order
from training.recipe import Exportable, FreeSize

OPSET = 20
"""What PyTorch's exporter writes by default; TensorRT 11 and OpenVINO read it."""
MAX_REASON = 300
"""Characters of the exporter's own message; it writes pages."""


def export_graph(exportable: Exportable) -> onnx.ModelProto:
    """The network as opset 20, float32 as it is, weights inside.

    ExportError: an operator has no ONNX form, a dimension that must be free came out as a number, or the
    nodes are out of order.
    """
    try:
        with _quiet():
            program = torch.onnx.export(
                exportable.module,
                (),
                kwargs=dict(exportable.inputs),
                input_names=list(exportable.inputs),
                output_names=list(exportable.outputs),
                dynamic_shapes=_dimensions(exportable),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"the network cannot be exported: {_reason(error)}") from None
    assert program is not None  # None is for TorchScript alone
    graph: onnx.ModelProto = program.model_proto
    _forget_origin(graph)
    check_graph(graph, exportable)
    return graph


def check_graph(graph: onnx.ModelProto, exportable: Exportable) -> None:
    """ExportError: nodes out of order, not valid ONNX of ``OPSET``, or a free dimension is fixed, as
    tracing leaves it where the network computes with a size as a plain number."""
    check_order(graph.graph)
    try:
        onnx.checker.check_model(graph, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported graph is not valid ONNX: {_reason(error)}") from None
    written = {entry.version for entry in graph.opset_import if entry.domain == ""}
    if written != {OPSET}:
        raise ExportError(f"the exported graph is of opset {sorted(written)}, expected {OPSET}")
    free = {name: tuple(axes) for name, axes in exportable.free.items()} | dict(exportable.outputs)
    values = {value.name: value for value in (*graph.graph.input, *graph.graph.output)}
    for name, axes in free.items():
        if name not in values:
            raise ExportError(f'the exported graph has no "{name}"; it has {", ".join(values)}')
        shape = values[name].type.tensor_type.shape.dim
        fixed = [axis for axis in axes if not shape[axis].dim_param]
        if fixed:
            lengths = [dim.dim_param or dim.dim_value for dim in shape]
            raise ExportError(
                f'"{name}" came out as {lengths}: axes {fixed} are fixed to what was traced, expected free; '
                "compute sizes in the network from tensors' shapes, with operators that trace (no linspace)"
            )


def _forget_origin(graph: onnx.ModelProto) -> None:
    """Removes stack traces: with the exporting person's paths in it, equal weights would differ in bytes."""
    for part in (graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.graph.initializer):
        part.ClearField("metadata_props")
    for value in (*graph.graph.input, *graph.graph.output):
        value.ClearField("metadata_props")


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch's exporter warns of its own deprecated calls and of torchvision, which is not needed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category in (FutureWarning, DeprecationWarning):
                warnings.simplefilter("ignore", category)
            # Two inputs of one batch have one name for it: as it must be.
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)
            yield
    finally:
        log.setLevel(level)


def _dimensions(exportable: Exportable) -> dict[str, dict[int, object]]:
    """Torch's names for the free dimensions; equal names are one and the same."""
    made: dict[str, Dim] = {}
    return {
        name: {axis: _dimension(size, made) for axis, size in exportable.free.get(name, {}).items()}
        for name in exportable.inputs
    }


def _dimension(size: FreeSize, made: dict[str, Dim]) -> object:
    unit = made.setdefault(size.name, Dim(size.name, min=size.least_units, max=size.most_units))
    return unit if size.multiple == 1 else size.multiple * unit


def _reason(error: Exception) -> str:
    """The first lines that say something, as one."""
    innermost: BaseException = error
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    return " ".join(str(innermost).split())[:MAX_REASON]
