"""The features that a perceptual loss compares: a classifier's inner layers, from an ONNX file.

Made for SqueezeNet 1.1 in Caffe's form (Iandola et al. 2016): plain Conv, Relu, MaxPool, Concat; picture in
BGR, 0 to 255, minus the mean of ImageNet. ``training.ncnn`` makes such a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from onnx import helper, numpy_helper
from torch import Tensor, nn

from training.errors import TrainingError

MEAN_BGR = (104.0, 117.0, 123.0)
OPERATORS = ("Conv", "Relu", "MaxPool", "Concat", "Identity", "Dropout")


class OnnxFeatures(nn.Module):
    """Inner layers of an ONNX classifier, as torch layers with fixed weights.

    ``taps``: names of the values to give. TrainingError: the file cannot be read, lacks one of them, or needs
    an operator other than ``OPERATORS`` on the way to it.
    """

    def __init__(self, path: Path, taps: Sequence[str]) -> None:
        super().__init__()
        graph = _read_graph(path)
        self._taps = tuple(taps)
        self._source = graph.input[0].name
        self._steps = _steps_to(graph, taps, path)
        self._convolutions = nn.ModuleDict()
        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        for node in self._steps:
            if node.op_type == "Conv":
                self._convolutions[_key(node.output[0])] = _convolution(node, weights)
        self.register_buffer("_mean", torch.tensor(MEAN_BGR).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) RGB 0 to 1 → the taps by name, each (N, C, H', W')."""
        values = {self._source: rgb.flip(1) * 255 - self._mean}
        for node in self._steps:
            values[node.output[0]] = self._run_node(node, values)
        return {tap: values[tap] for tap in self._taps}

    def _run_node(self, node: onnx.NodeProto, values: dict[str, Tensor]) -> Tensor:
        picture = values[node.input[0]]
        if node.op_type == "Conv":
            result: Tensor = self._convolutions[_key(node.output[0])](picture)
            return result
        if node.op_type == "Relu":
            return F.relu(picture)
        if node.op_type == "MaxPool":
            given = _attributes(node)
            return F.max_pool2d(
                picture,
                given["kernel_shape"],
                given.get("strides", [1, 1]),
                given.get("pads", [0, 0])[:2],
                ceil_mode=bool(given.get("ceil_mode", 0)),
            )
        if node.op_type == "Concat":
            return torch.cat([values[name] for name in node.input], dim=1)
        return picture


def _read_graph(path: Path) -> onnx.GraphProto:
    try:
        return onnx.load(str(path)).graph
    except FileNotFoundError:
        raise TrainingError(f"--features {path} does not exist") from None
    except Exception:  # protobuf's own class for bytes that are no ONNX model has moved between versions
        raise TrainingError(f"--features {path} is no ONNX file") from None


def _steps_to(graph: onnx.GraphProto, taps: Sequence[str], path: Path) -> tuple[onnx.NodeProto, ...]:
    """The nodes that the taps need, in the graph's order."""
    wanted, steps = set(taps), []
    for node in reversed(graph.node):
        if node.output[0] in wanted:
            if node.op_type not in OPERATORS:
                raise TrainingError(
                    f"--features {path}: operator {node.op_type} before {sorted(taps)}, expected one of "
                    f"{', '.join(OPERATORS)}"
                )
            steps.append(node)
            wanted.update(node.input)
    made = {node.output[0] for node in steps}
    for tap in taps:
        if tap not in made:
            raise TrainingError(f'--features {path} has no layer "{tap}"; choose others with --style-layers')
    return tuple(reversed(steps))


def _convolution(node: onnx.NodeProto, weights: dict[str, object]) -> nn.Conv2d:
    weight = torch.tensor(weights[node.input[1]])
    given = _attributes(node)
    layer = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        tuple(weight.shape[2:]),
        stride=tuple(given.get("strides", (1, 1))),
        padding=tuple(given.get("pads", (0, 0))[:2]),
        bias=len(node.input) > 2,
    )
    layer.weight.data = weight
    if layer.bias is not None:
        layer.bias.data = torch.tensor(weights[node.input[2]])
    return layer


def _attributes(node: onnx.NodeProto) -> dict[str, list[int]]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _key(name: str) -> str:
    return name.replace(".", "_")
