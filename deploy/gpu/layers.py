"""Whether an int8 plan computes in int8: asked of TensorRT's engine inspector."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import onnx

from deploy.gpu.report import Result, failed, held, skipped
from deploy.gpu.subjects import Way
from reelwire.engines.tensorrt.build import BuildOrder, build_plan
from reelwire.engines.tensorrt.messages import tensorrt_log

QUANTISED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
LEAST_SHARE = 0.5
"""Of the graph's quantised operators: TensorRT may fuse two, or leave a first or last one in float."""


def int8_layers(way: Way) -> Iterator[Result]:
    """Builds it once more, with its layers described, which plans for serving leave out."""
    trt = way.target.libraries.trt
    if not hasattr(trt, "EngineInspector") or not hasattr(trt, "ProfilingVerbosity"):
        yield skipped("", f"not available: {way.target.name} has no engine inspector")
        return
    graph = way.candidate.variant.facts.path
    built = build_plan(trt, BuildOrder(graph, way.model.profiles, described=True))
    log = tensorrt_log(trt)
    runtime = trt.Runtime(log)
    engine = runtime.deserialize_cuda_engine(built.plan)
    if engine is None:
        yield failed(
            "", f"the plan with described layers does not load: {[row.text for row in log.rows][-1:]}"
        )
        return
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    types = input_types(json.loads(text))
    if not types:
        yield skipped("", "not available: the inspector tells no types of layers")
        return
    int8 = sum("int8" in each for each in types)
    wanted = quantised_operators(onnx.load(str(graph), load_external_data=False))
    yield held(
        int8 >= LEAST_SHARE * wanted,
        "",
        "most of what was quantised runs in another precision",
        int8_layers=int8, layers=len(types), quantised_operators=wanted,
    )  # fmt: skip


def input_types(information: dict[str, Any]) -> list[str]:
    """What each layer reads, in the inspector's words, in lower case; empty where it gives only names. The
    form is that of https://docs.nvidia.com/deeplearning/tensorrt/latest/performance/best-practices.html
    (engine inspector), where a type stands in "Format/Datatype"."""
    layers = [layer for layer in information.get("Layers", ()) if isinstance(layer, dict)]
    return [
        " ".join(
            str(given.get("Format/Datatype", given.get("Datatype", ""))) for given in layer["Inputs"]
        ).lower()
        for layer in layers
        if layer.get("Inputs")
    ]


def quantised_operators(model: onnx.ModelProto) -> int:
    """Operators whose first input was quantised."""
    dequantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return sum(node.op_type in QUANTISED and node.input[0] in dequantised for node in model.graph.node)
