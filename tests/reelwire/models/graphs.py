"""Small ONNX models of every kind, made for tests. Each computes something that NumPy computes as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, BYTES, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT64
GAIN = (0.25, 0.5, 0.75)
"""What the channels are multiplied by: unequal, so that swapped channels show."""
Shape = Sequence[int | str | None]
Maker = Callable[[Path], Path]


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[tuple[str, int, Shape]],
    outputs: Sequence[tuple[str, int, Shape]],
    constants: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Writes a graph."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def gain(
    path: Path,
    *,
    layout: str = "NCHW",
    type_: int = FLOAT,
    size: tuple[int | str, int | str] = ("H", "W"),
    multiple: int = 1,
    scale: int = 1,
    shift: float = 0.0,
) -> Path:
    """Each channel times its GAIN plus ``shift``, in the model's own order and range; ``scale`` repeats
    pixels. A graph with a ``multiple`` fails on any other size. NCHW only for ``multiple`` and ``scale``."""
    shape = ("N", 3, *size) if layout == "NCHW" else ("N", *size, 3)
    factors = np.array(GAIN, np.float32).reshape((1, 3, 1, 1) if layout == "NCHW" else (1, 1, 1, 3))
    constants: dict[str, np.ndarray] = {"factors": factors if type_ != HALF else factors.astype(np.float16)}
    if multiple > 1:
        constants["blocks"] = np.array([multiple], np.int64)
    nodes, last = [], "frame"
    if type_ == BYTES:
        nodes.append(helper.make_node("Cast", [last], ["wide"], to=FLOAT))
        last = "wide"
    nodes.append(helper.make_node("Mul", [last, "factors"], ["scaled"]))
    last = "scaled"
    if shift:
        constants["shift"] = np.array(shift, factors.dtype)
        nodes.append(helper.make_node("Add", [last, "shift"], ["shifted"]))
        last = "shifted"
    if multiple > 1:
        nodes.append(helper.make_node("SpaceToDepth", [last], ["deep"], blocksize=multiple))
        nodes.append(helper.make_node("DepthToSpace", ["deep"], ["flat"], blocksize=multiple))
        last = "flat"
    if scale > 1:
        constants["scales"] = np.array([1, 1, scale, scale], np.float32)
        nodes.append(
            helper.make_node(
                "Resize",
                [last, "", "scales"],
                ["large"],
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        )
        last = "large"
    if type_ == BYTES:
        nodes.append(helper.make_node("Cast", [last], ["narrow"], to=BYTES))
        last = "narrow"
    nodes.append(helper.make_node("Identity", [last], ["result"]))
    out = [dim if dim in ("N", 3) else (dim * scale if isinstance(dim, int) else None) for dim in shape]
    constants.pop("blocks", None)
    return save(path, nodes, [("frame", type_, shape)], [("result", type_, out)], constants)


def mixing(path: Path, *, given: str = "h_in", got: str = "h_out", dims: Shape = ("N", 3, "H", "W")) -> Path:
    """Recurrent: y = h' = (x + h) / 2; the state has the picture's size, or spreads over it."""
    nodes = [
        helper.make_node("Add", ["frame", given], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], [got]),
        helper.make_node("Identity", [got], ["picture"]),
    ]
    picture = ("N", 3, "H", "W")
    return save(
        path,
        nodes,
        [("frame", FLOAT, picture), (given, FLOAT, dims)],
        [("picture", FLOAT, picture), (got, FLOAT, dims)],
        {"half": np.array(0.5, np.float32)},
    )


def quarter_mixing(path: Path, *, named: bool) -> Path:
    """Recurrent: h' = (pool4(x) + h) / 2, y = (x + grow4(h')) / 2; the state is a quarter of the picture each
    way, which only the names "4*h4" and "h4" tell."""
    picture: Shape = ("N", 3, "4*h4", "4*w4") if named else ("N", 3, None, None)
    state: Shape = ("N", 3, "h4", "w4") if named else (None, 3, None, None)
    nodes = [
        helper.make_node("AveragePool", ["frame"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Add", ["small", "h"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["h_next"]),
        helper.make_node(
            "Resize",
            ["h_next", "", "scales"],
            ["grown"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        helper.make_node("Add", ["frame", "grown"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["picture"]),
    ]
    constants: dict[str, np.ndarray] = {
        "half": np.array(0.5, np.float32),
        "scales": np.array([1, 1, 4, 4], np.float32),
    }
    return save(
        path,
        nodes,
        [("frame", FLOAT, picture), ("h", FLOAT, state)],
        [("picture", FLOAT, picture), ("h_next", FLOAT, state)],
        constants,
    )


def window_mean(path: Path, *, frames: int | str | None, each: bool) -> Path:
    """(N, T, 3, H, W): ``each`` frame plus the window's mean, halved; or the mean alone as one picture."""
    shape: Shape = ("N", frames, 3, "H", "W")
    nodes = [helper.make_node("ReduceMean", ["clip", "axis"], ["mean"], keepdims=int(each))]
    if each:
        nodes.append(helper.make_node("Add", ["clip", "mean"], ["both"]))
        nodes.append(helper.make_node("Mul", ["both", "half"], ["result"]))
    else:
        nodes.append(helper.make_node("Identity", ["mean"], ["result"]))
    constants: dict[str, np.ndarray] = {"axis": np.array([1], np.int64), "half": np.array(0.5, np.float32)}
    if not each:
        constants.pop("half")
    out: Shape = shape if each else ("N", 3, "H", "W")
    return save(path, nodes, [("clip", FLOAT, shape)], [("result", FLOAT, out)], constants)


def stacked_first(path: Path, frames: int) -> Path:
    """(N, 3 * frames, H, W) → the first frame minus nothing: the channels of frame 0 plus those of the last,
    halved."""
    nodes = [
        helper.make_node("Slice", ["stack", "zero", "three", "axis"], ["first"]),
        helper.make_node("Slice", ["stack", "late", "end", "axis"], ["last"]),
        helper.make_node("Add", ["first", "last"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["result"]),
    ]
    constants: dict[str, np.ndarray] = {
        "zero": np.array([0], np.int64),
        "three": np.array([3], np.int64),
        "late": np.array([3 * frames - 3], np.int64),
        "end": np.array([3 * frames], np.int64),
        "axis": np.array([1], np.int64),
        "half": np.array(0.5, np.float32),
    }
    shape = ("N", 3 * frames, "H", "W")
    return save(path, nodes, [("stack", FLOAT, shape)], [("result", FLOAT, ("N", 3, "H", "W"))], constants)


def voice(path: Path) -> Path:
    """Like a voice detector: input (N, T), state (2, N, 8), a scalar sr; output = mean of state', where
    state' = tanh(state / 2 + mean * sr / 16000)."""
    nodes = [
        helper.make_node("ReduceMean", ["input", "last"], ["loud"], keepdims=1),  # (N, 1)
        helper.make_node("Cast", ["sr"], ["rate"], to=FLOAT),
        helper.make_node("Div", ["rate", "base"], ["relative"]),
        helper.make_node("Mul", ["loud", "relative"], ["drive"]),
        helper.make_node("Mul", ["state", "half"], ["old"]),
        helper.make_node("Add", ["old", "drive"], ["fresh"]),
        helper.make_node("Tanh", ["fresh"], ["stateN"]),
        helper.make_node("ReduceMean", ["stateN", "outer"], ["output"], keepdims=0),
    ]
    constants: dict[str, np.ndarray] = {
        "last": np.array([1], np.int64),
        "outer": np.array([0, 2], np.int64),
        "base": np.array(16000, np.float32),
        "half": np.array(0.5, np.float32),
    }
    return save(
        path,
        nodes,
        [("input", FLOAT, (None, None)), ("state", FLOAT, (2, None, 8)), ("sr", INT64, ())],
        [("output", FLOAT, (None,)), ("stateN", FLOAT, (None, None, None))],
        constants,
    )


def poisoned(path: Path) -> Path:
    """log(x): a black pixel gives minus infinity, mid-gray does not."""
    shape = ("N", 3, "H", "W")
    return save(
        path,
        [helper.make_node("Log", ["frame"], ["result"])],
        [("frame", FLOAT, shape)],
        [("result", FLOAT, shape)],
    )
