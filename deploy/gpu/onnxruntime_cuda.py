"""ONNX Runtime on CUDA, and really there: it falls back to the CPU without a word where it may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from deploy.gpu.report import Result, failed, held, passed
from deploy.gpu.subjects import Target, Way
from reelwire.engines.backend import EngineOptions, Variant
from reelwire.engines.cuda import PLACEMENT
from reelwire.engines.graph import read_graph
from reelwire.errors import DeviceFellBack, ReelwireError

ONLY_ON_A_CPU = "Unique"
"""ONNX Runtime has no CUDA kernel for it."""


def strict(way: Way) -> Iterator[Result]:
    """A session that took another provider would not open: see ``onnxruntime_session``."""
    with way.opened() as engine:
        yield held(
            engine.device == way.target.device, "", f"it runs on {engine.device}", provider=PLACEMENT.provider
        )


def fallback_refused(target: Target, folder: Path) -> Iterator[Result]:
    """A graph with a node that only the CPU can run is no graph for CUDA."""
    path = folder / "only-on-a-cpu" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(_graph(), str(path))
    facts = read_graph(path)
    (candidate,) = target.backend.candidates((Variant(facts, "fp32"),))
    try:
        target.backend.open(candidate, EngineOptions()).close()
    except DeviceFellBack as error:
        yield passed(ONLY_ON_A_CPU, refused=error.message)
    except ReelwireError as error:
        yield failed(ONLY_ON_A_CPU, f"refused, but not for falling back: {error.message}")
    else:
        yield failed(ONLY_ON_A_CPU, "a node was run on the CPU without a word")


def _graph() -> onnx.ModelProto:
    given = helper.make_tensor_value_info("frame", TensorProto.FLOAT, ("N",))
    got = helper.make_tensor_value_info("values", TensorProto.FLOAT, (None,))
    node = helper.make_node(ONLY_ON_A_CPU, ["frame"], ["values"])
    graph = helper.make_graph([node], "only on a CPU", [given], [got])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
