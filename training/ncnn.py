"""A classifier in ncnn's form → the ONNX file that ``--features`` takes.

    python -m training.ncnn squeezenet_v1.1.param squeezenet_v1.1.bin squeezenet11.onnx

For plain networks of convolutions, as ncnn's example SqueezeNet is: the layers up to the first one of another
kind are converted, under their own names. Formats: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.errors import TrainingError

MAGIC = "7767517"
OPSET = 20
FLOAT32_FLAG = 0
FLAG_BYTES = 4
SAME = {"ReLU": "Relu", "Split": "Identity", "Dropout": "Identity"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of a .param file; ``values``: its numbered parameters."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: dict[int, float]

    def number(self, key: int, default: int = 0) -> int:
        """A parameter that counts something."""
        return int(self.values.get(key, default))


class Weights:
    """A .bin file, read from front to back."""

    def __init__(self, path: Path) -> None:
        self._path, self._bytes, self._at = path, path.read_bytes(), 0

    def take(self, count: int, *, flagged: bool) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """``count`` float32. TrainingError: fewer are left, or they are stored in another precision."""
        if flagged:
            flag = int.from_bytes(self._bytes[self._at : self._at + FLAG_BYTES], "little")
            self._at += FLAG_BYTES
            if flag != FLOAT32_FLAG:
                raise TrainingError(
                    f"{self._path} is not stored in float32 (flag {flag:#x}); take the float one"
                )
        end = self._at + 4 * count
        if end > len(self._bytes):
            raise TrainingError(f"{self._path} ends early: it is not of this .param file, or damaged")
        taken = np.frombuffer(self._bytes, "<f4", count, self._at)
        self._at = end
        return taken


def convert(param: Path, weights: Path) -> onnx.ModelProto:
    """The layers up to the first that is neither convolution, ReLU, max pooling nor plumbing. TrainingError:
    a file is of another format."""
    layers = list(_read_layers(param))
    source = Weights(weights)
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    for layer in layers[1:]:
        if layer.kind == "Convolution":
            constants += _constants(layer, source)
        made = _nodes(layer)
        if not made:
            break
        nodes += made
    if not nodes:
        raise TrainingError(f"{param} begins with no layer that can be converted")
    graph = helper.make_graph(
        nodes,
        param.stem,
        [helper.make_tensor_value_info(layers[0].outputs[0], TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", None, None, None])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def _read_layers(param: Path) -> Iterator[Layer]:
    """TrainingError: not ncnn's text format, or no input comes first."""
    lines = param.read_text("utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise TrainingError(f"{param} is no ncnn .param file in text form: it does not begin with {MAGIC}")
    words = [line.split() for line in lines[2:] if line.strip()]
    if not words or words[0][0] != "Input":
        raise TrainingError(f"{param} does not begin with an Input layer")
    for kind, _name, inputs, outputs, *rest in words:
        count, end = int(inputs), int(inputs) + int(outputs)
        values = {int(key): float(value) for key, value in (word.split("=") for word in rest[end:])}
        yield Layer(kind, tuple(rest[:count]), tuple(rest[count:end]), values)


def _nodes(layer: Layer) -> list[onnx.NodeProto]:
    """ONNX's for one of ncnn's; empty: not of a kind that is converted. A Split gives one for each output."""
    side, stride = [layer.number(1)] * 2, [layer.number(2 if layer.kind == "Pooling" else 3, 1)] * 2
    output = layer.outputs[0]
    if layer.kind in SAME:
        return [helper.make_node(SAME[layer.kind], layer.inputs, [name]) for name in layer.outputs]
    if layer.kind == "Concat":
        return [helper.make_node("Concat", layer.inputs, [output], axis=1 + layer.number(0))]
    if layer.kind == "Convolution":
        names = [*layer.inputs, f"{output}.weight", f"{output}.bias"]
        pads = [layer.number(4)] * 4
        return [helper.make_node("Conv", names, [output], kernel_shape=side, strides=stride, pads=pads)]
    if layer.kind == "Pooling" and layer.number(0) == 0 and not layer.number(4):
        given = {"kernel_shape": side, "strides": stride, "pads": [layer.number(3)] * 4, "ceil_mode": 1}
        return [helper.make_node("MaxPool", layer.inputs, [output], **given)]
    return []


def _constants(layer: Layer, source: Weights) -> list[onnx.TensorProto]:
    """Weight (outputs, inputs, side, side) and bias. TrainingError: one without a bias."""
    name, outputs, side = layer.outputs[0], layer.number(0), layer.number(1)
    if not layer.number(5):
        raise TrainingError(f"convolution {name} has no bias; expected one")
    weight = source.take(layer.number(6), flagged=True).reshape(outputs, -1, side, side)
    bias = source.take(outputs, flagged=False)
    return [numpy_helper.from_array(weight, f"{name}.weight"), numpy_helper.from_array(bias, f"{name}.bias")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 on success, 1 with one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m training.ncnn",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("param", type=Path, help="the layers, as text")
    parser.add_argument("weights", type=Path, help="the .bin file that belongs to it")
    parser.add_argument("out", type=Path, help="the ONNX file to write")
    given = parser.parse_args(arguments)
    try:
        model = convert(given.param, given.weights)
        given.out.write_bytes(model.SerializeToString())
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"wrote {given.out}: {len(model.graph.node)} nodes up to {model.graph.output[0].name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
