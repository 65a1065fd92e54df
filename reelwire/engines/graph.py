"""What an ONNX file says of itself, read without running it; and refusals of files that are not ONNX."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from reelwire.errors import InputNotFound, ModelUnusable

RUNNABLE_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operator domains that ONNX Runtime brings along."""
READ_BYTES = 1 << 20
# What lies in folders of models and is no ONNX file, by its first bytes.
FOREIGN = (
    (b"PK\x03\x04", "a zip archive, as PyTorch writes checkpoints (a pickle inside)"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
    (b"ftrt", "a TensorRT plan"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the real file with git lfs pull"),
)
INT8_OPERATORS = frozenset(
    {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DequantizeLinear"}
)


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """An ONNX file from the outside.

    ``sha256`` is over the file, followed by its external data files in name order. ``foreign_operators``:
    those of domains that ONNX Runtime does not bring. ``size_bytes`` includes external data.
    """

    path: Path
    sha256: str
    size_bytes: int
    opset: int
    parameter_count: int
    precision: str
    external_files: tuple[str, ...]
    foreign_operators: tuple[str, ...]


def read_graph(path: Path) -> GraphFacts:
    """Reads and checks a file. InputNotFound: no such file. ModelUnusable: not ONNX, or its external data
    lie outside its folder."""
    model = _parse(path)
    tensors = list(_tensors(model.graph))
    external = _external_files(path, tensors)
    operators = {(node.domain, node.op_type) for node in _nodes(model.graph)}
    own = {(function.domain, function.name) for function in model.functions}
    foreign = sorted(f"{d}::{op}" for d, op in operators - own if d not in RUNNABLE_DOMAINS)
    files = (path, *(path.parent / name for name in external))
    return GraphFacts(
        path=path,
        sha256=sha256_of(files),
        size_bytes=sum(file.stat().st_size for file in files),
        opset=max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0),
        parameter_count=sum(_count(tensor) for tensor in tensors),
        precision=_precision(tensors, {name for _, name in operators}),
        external_files=external,
        foreign_operators=tuple(foreign),
    )


def sha256_of(files: tuple[Path, ...]) -> str:
    """Hexadecimal SHA-256 over the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _parse(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise InputNotFound(f"no model file {path}")
    with path.open("rb") as stream:
        head = stream.read(32)
    if not head:
        raise ModelUnusable(f"{path.name} is empty; export the model to ONNX again")
    for magic, words in FOREIGN:
        if head.startswith(magic):
            raise ModelUnusable(f"{path.name} is {words}; models are ONNX only: export it to ONNX")
    if head[4:8] == b"TFL3":
        raise ModelUnusable(
            f"{path.name} is a TensorFlow Lite file; models are ONNX only: convert it to ONNX"
        )
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError):
        raise ModelUnusable(f"{path.name} is not an ONNX file; export the model to ONNX") from None
    if not model.graph.node or not model.graph.output:
        raise ModelUnusable(f"{path.name} holds no graph; export the model to ONNX again")
    return model


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of the graph, those inside attributes and inner graphs as well."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _external_files(path: Path, tensors: list[onnx.TensorProto]) -> tuple[str, ...]:
    """Names of external data files. ModelUnusable: one that is missing or outside the model's folder."""
    names = {
        entry.value
        for tensor in tensors
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    folder = path.parent.resolve()
    for name in names:
        target = (folder / name).resolve()
        if not target.is_relative_to(folder):
            raise ModelUnusable(
                f'{path.name} keeps weights in "{name}", outside its folder; move them beside it'
            )
        if not target.is_file():
            raise ModelUnusable(f'{path.name} keeps weights in "{name}", which is missing; copy it beside it')
    return tuple(sorted(names))


def _count(tensor: onnx.TensorProto) -> int:
    count = 1
    for length in tensor.dims:
        count *= length
    return count


def _precision(tensors: list[onnx.TensorProto], operators: set[str]) -> str:
    if operators & INT8_OPERATORS:
        return "int8"
    sizes: dict[int, int] = {onnx.TensorProto.FLOAT: 0, onnx.TensorProto.FLOAT16: 0}
    for tensor in tensors:
        if tensor.data_type in sizes:
            sizes[tensor.data_type] += _count(tensor)
    return "fp16" if sizes[onnx.TensorProto.FLOAT16] > sizes[onnx.TensorProto.FLOAT] else "fp32"
