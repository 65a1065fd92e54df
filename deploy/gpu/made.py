"""Two small graphs that are made here: what ships has no state, and a plan of another model is needed."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

RECURRENT, OTHER = "steps", "other"
PICTURE = ("N", 3, "H", "W")
DECAY = 0.5


def make_models(folder: Path) -> None:
    """Writes both, as model folders."""
    half = helper.make_tensor("half", TensorProto.FLOAT, (), [DECAY])
    # y = h' = (x + h) / 2: each frame leaves half of itself in all that follow
    nodes = [
        helper.make_node("Add", ["frame", "h_in"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["h_out"]),
        helper.make_node("Identity", ["h_out"], ["picture"]),
    ]
    _save(folder / RECURRENT, nodes, ["frame", "h_in"], ["picture", "h_out"], half)
    _save(folder / OTHER, [helper.make_node("Mul", ["image", "half"], ["dark"])], ["image"], ["dark"], half)


def _save(
    folder: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[str],
    outputs: list[str],
    constant: onnx.TensorProto,
) -> None:
    given, got = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, PICTURE) for name in names]
        for names in (inputs, outputs)
    )
    graph = helper.make_graph(nodes, folder.name, given, got, [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    folder.mkdir(parents=True)
    onnx.save(model, str(folder / "model.onnx"))
