"""The graph inside a fake plan, run by ONNX Runtime; and the plan's bytes."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime

from deploy.fake_tensorrt.names import DTYPES, DataType

MAGIC = b"ftrtfake"
HEAD = struct.Struct("<8sQQ32s")
"""Magic, length of the facts, length of the graph, SHA-256 of both."""
Profile = Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]
DYNAMIC = -1
SHAPE_PLACES = {"Reshape": 1, "Expand": 1, "Tile": 1, "Resize": 3, "ConstantOfShape": 0}
"""Operators, and which of their inputs is a shape."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """``shape``: -1 where the graph leaves a length free."""

    name: str
    dtype: DataType
    numpy: np.dtype[Any]
    shape: tuple[int, ...]
    is_input: bool


class Graph:
    """An ONNX graph that can be run; gives the same bytes for the same inputs."""

    def __init__(self, model: bytes) -> None:
        """Raises ONNX Runtime's errors where it cannot run the graph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._shapes: dict[tuple[tuple[int, ...], ...], list[tuple[int, ...]]] = {}
        self.inputs = [_tensor(node, True) for node in self._session.get_inputs()]
        self.outputs = [_tensor(node, False) for node in self._session.get_outputs()]
        self.shape_inputs = _shape_inputs(model) & {tensor.name for tensor in self.inputs}

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Outputs in the graph's order."""
        quiet = onnxruntime.RunOptions()
        quiet.log_severity_level = 4
        found: list[np.ndarray[Any, Any]] = self._session.run(None, dict(inputs), quiet)
        return found

    def output_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[int, ...]]:
        """By a run on zeros. RuntimeError: the graph does not take these shapes together."""
        key = tuple(shapes[tensor.name] for tensor in self.inputs)
        if key not in self._shapes:
            zeros = {tensor.name: np.zeros(shapes[tensor.name], tensor.numpy) for tensor in self.inputs}
            try:
                self._shapes[key] = [array.shape for array in self.run(zeros)]
            except Exception as error:  # the binding's errors share no public class
                raise RuntimeError(" ".join(str(error).split())) from None
        return self._shapes[key]


def _shape_inputs(model: bytes) -> set[str]:
    """Tensors that an operator reads as a shape."""
    nodes = onnx.load_from_string(model).graph.node
    places = [(node, SHAPE_PLACES[node.op_type]) for node in nodes if node.op_type in SHAPE_PLACES]
    return {node.input[place] for node, place in places if place < len(node.input)}


def _tensor(node: Any, is_input: bool) -> Tensor:
    dtype, numpy = DTYPES[node.type]
    shape = tuple(length if isinstance(length, int) else DYNAMIC for length in node.shape)
    return Tensor(node.name, dtype, np.dtype(numpy), shape, is_input)


def pack_plan(model: bytes, profiles: list[Profile], library: str, version: str) -> bytes:
    """The bytes of a plan, which holds all that it needs."""
    facts = json.dumps({"library": library, "version": version, "profiles": profiles}).encode()
    body = facts + model
    return HEAD.pack(MAGIC, len(facts), len(model), hashlib.sha256(body).digest()) + body


def unpack_plan(plan: bytes, library: str, version: str) -> tuple[bytes, list[Profile]]:
    """The graph and the profiles. ValueError: what the real library says of such bytes."""
    assertion = "Serialization assertion {} failed."
    if len(plan) < HEAD.size or not plan.startswith(MAGIC):
        raise ValueError(assertion.format("header.magicTag == kEXPECTED_MAGIC_TAG"))
    _, facts_bytes, model_bytes, digest = HEAD.unpack_from(plan)
    body = plan[HEAD.size :]
    if len(body) != facts_bytes + model_bytes:
        raise ValueError(assertion.format("plan.header.size == blobSize"))
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("The engine plan file is corrupt")
    facts = json.loads(body[:facts_bytes])
    if (facts["library"], facts["version"]) != (library, version):
        raise ValueError(
            f"The engine was created with {facts['library']} {facts['version']}, this is {library} {version}"
        )
    profiles: list[Profile] = [
        {name: (tuple(shapes[0]), tuple(shapes[1]), tuple(shapes[2])) for name, shapes in profile.items()}
        for profile in facts["profiles"]
    ]
    return body[facts_bytes:], profiles
