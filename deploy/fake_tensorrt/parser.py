"""The fake of TensorRT's ONNX parser, and the network that it fills."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx

from deploy.fake_tensorrt.graph import Graph, Tensor
from deploy.fake_tensorrt.names import (
    DataType,
    ErrorCode,
    ILogger,
    NetworkDefinitionCreationFlag,
    Severity,
)

UNSUPPORTED = frozenset({"Unique", "NonMaxSuppression", "StringNormalizer", "DeformConv"})
Shape = tuple[int, ...]


class ParserError:
    """One thing that the parser refuses."""

    def __init__(self, code: ErrorCode, desc: str, node: onnx.NodeProto | None = None) -> None:
        self._code, self._desc, self._node = code, desc, node

    def code(self) -> ErrorCode:
        return self._code

    def desc(self) -> str:
        return self._desc

    def node_name(self) -> str:
        return self._node.name if self._node else ""

    def node_operator(self) -> str:
        return self._node.op_type if self._node else ""


class NetworkTensor:
    """An input or output of a network."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    @property
    def name(self) -> str:
        return self._tensor.name

    @property
    def shape(self) -> Shape:
        return self._tensor.shape

    @property
    def dtype(self) -> DataType:
        return self._tensor.dtype


class Network:
    """What the parser read."""

    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._model = b""
        self._layers = 0
        self._inputs: list[NetworkTensor] = []
        self._outputs: list[NetworkTensor] = []

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    @property
    def num_layers(self) -> int:
        return self._layers

    def get_flag(self, flag: NetworkDefinitionCreationFlag) -> bool:
        return bool(self._flags & 1 << flag)

    def get_input(self, index: int) -> NetworkTensor:
        return self._inputs[index]

    def get_output(self, index: int) -> NetworkTensor:
        return self._outputs[index]


class OnnxParser:
    """Reads a graph into a network."""

    def __init__(self, network: Network, logger: ILogger) -> None:
        self._network, self._logger = network, logger
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors = []

    def parse_from_file(self, model: str) -> bool:
        if not Path(model).is_file():
            return self._refuse(ParserError(ErrorCode.MODEL_DESERIALIZE_FAILED, "Failed to open the file"))
        return self._read(lambda: onnx.load(model))

    def parse(self, model: bytes) -> bool:
        return self._read(lambda: onnx.load_from_string(model))

    def _read(self, load: Callable[[], onnx.ModelProto]) -> bool:
        try:
            model = load()
        except Exception as error:  # protobuf's and onnx's share no public class
            return self._refuse(ParserError(ErrorCode.MODEL_DESERIALIZE_FAILED, str(error)))
        for node in model.graph.node:
            if node.domain not in ("", "ai.onnx"):
                return self._refuse(ParserError(ErrorCode.INVALID_NODE, "Plugin not found", node))
            if node.op_type in UNSUPPORTED:
                return self._refuse(ParserError(ErrorCode.UNSUPPORTED_NODE, "false", node))
        data = model.SerializeToString()
        try:
            graph = Graph(data)
        except Exception as error:  # ONNX Runtime's errors share no public class
            return self._refuse(ParserError(ErrorCode.INVALID_GRAPH, str(error)))
        self._network._model, self._network._layers = data, len(model.graph.node)
        self._network._inputs = [NetworkTensor(tensor) for tensor in graph.inputs]
        self._network._outputs = [NetworkTensor(tensor) for tensor in graph.outputs]
        return True

    def _refuse(self, error: ParserError) -> bool:
        self._errors.append(error)
        self._logger.log(Severity.ERROR, f"ModelImporter.cpp:151: ERROR: {error.desc()}")
        return False
