"""Graphs that TensorRT must not take, each with a profile and what it is refused with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reelwire.engines.backend import ShapeProfile
from reelwire.errors import OperatorUnsupported, ProfileInvalid, ReelwireError

FLOAT = TensorProto.FLOAT
CHANNELS = 8
DIMS = ("N", CHANNELS, "H", "W")
SIZES = ((1, 8, 16, 16), (1, 8, 64, 64), (2, 8, 128, 128))
KERNEL = np.full((CHANNELS, CHANNELS, 3, 3), 0.01, np.float32)
Given = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Refused:
    """``field``: the tensor or node that the error must name."""

    nodes: Sequence[onnx.NodeProto]
    error: type[ReelwireError]
    field: str
    constants: Mapping[str, np.ndarray]
    inputs: Mapping[str, Sequence[int | str]]
    given: Given | None
    domain: str

    def save(self, path: Path) -> Path:
        """Writes it."""
        opsets = [helper.make_opsetid("", 20)]
        opsets += [helper.make_opsetid(self.domain, 1)] if self.domain else []
        graph = helper.make_graph(
            list(self.nodes),
            "test",
            [helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in self.inputs.items()],
            [helper.make_tensor_value_info("y", FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))
        return path

    @property
    def profiles(self) -> tuple[ShapeProfile, ...]:
        """None where ``given`` is."""
        return (ShapeProfile("p", self.given),) if self.given is not None else ()


def _operator(
    *nodes: onnx.NodeProto, named: str, constants: Mapping[str, np.ndarray] | None = None, domain: str = ""
) -> Refused:
    return Refused(nodes, OperatorUnsupported, named, constants or {}, {"x": DIMS}, {"x": SIZES}, domain)


def _sizes(
    given: Given | None, named: str = "x", inputs: Mapping[str, Sequence[int | str]] | None = None
) -> Refused:
    names = list(inputs or {"x": DIMS})
    node = helper.make_node("Add" if len(names) > 1 else "Relu", names, ["y"])
    return Refused([node], ProfileInvalid, named, {}, inputs or {"x": DIMS}, given, "")


def _node(operator: str, inputs: Sequence[str], output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), [output], name=f"the_{operator}", **attributes)


def _specialised() -> Refused:
    ramp = np.linspace(0, 1, 48, dtype=np.float32)
    node = _node("Add", ["x", "ramp"], "y")
    return Refused([node], ProfileInvalid, "x", {"ramp": ramp}, {"x": DIMS}, {"x": SIZES}, "")


TWO = {"x": DIMS, "h": ("N", CHANNELS, "hh", "ww")}
CASES: dict[str, Callable[[], Refused]] = {
    "custom domain": lambda: _operator(
        _node("Frob", ["x"], "y", domain="my.operators"), named="the_Frob", domain="my.operators"
    ),
    "com.microsoft": lambda: _operator(
        _node("FusedConv", ["x", "w"], "y", domain="com.microsoft", activation="Relu"),
        named="the_FusedConv",
        constants={"w": KERNEL},
        domain="com.microsoft",
    ),
    "antialiased Resize": lambda: _operator(
        _node("Resize", ["x", "", "scales"], "y", mode="linear", antialias=1),
        named="the_Resize",
        constants={"scales": np.array([1, 1, 0.5, 0.5], np.float32)},
    ),
    "unsigned asymmetric activations": lambda: _operator(
        _node("QuantizeLinear", ["x", "scale", "zero"], "q"),
        _node("DequantizeLinear", ["q", "scale", "zero"], "d"),
        _node("Conv", ["d", "w"], "y"),
        named="the_QuantizeLinear",
        constants={"scale": np.array(0.05, np.float32), "zero": np.array(128, np.uint8), "w": KERNEL},
    ),
    "32-bit bias": lambda: _operator(
        _node("DequantizeLinear", ["bias", "scale"], "b"),
        _node("Conv", ["x", "w", "b"], "y"),
        named="the_DequantizeLinear",
        constants={"scale": np.array(0.05, np.float32), "bias": np.ones(CHANNELS, np.int32), "w": KERNEL},
    ),
    "half and float mixed": lambda: _operator(
        _node("Cast", ["x"], "z", to=TensorProto.FLOAT16), _node("Mul", ["x", "z"], "y"), named="the_Mul"
    ),
    "size fixed by tracing": _specialised,
    "no profile": lambda: _sizes(None),
    "unordered profile": lambda: _sizes({"x": (SIZES[1], SIZES[0], SIZES[2])}),
    "wrong fixed length": lambda: _sizes({"x": ((1, 7, 16, 16), (1, 7, 64, 64), (2, 7, 128, 128))}),
    "unknown input": lambda: _sizes({"x": SIZES, "z": SIZES}, "z"),
    "largest sizes differ": lambda: _sizes(
        {"x": SIZES, "h": (SIZES[0], SIZES[1], (2, 8, 100, 100))}, "x", TWO
    ),
    "least sizes differ": lambda: _sizes({"x": SIZES, "h": ((1, 8, 15, 15), *SIZES[1:])}, "x", TWO),
}
