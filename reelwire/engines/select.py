"""Which backend runs a graph. A backend that was asked for by name is never replaced by another."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reelwire.engines.backend import Engine
from reelwire.engines.graph import GraphFacts, read_graph
from reelwire.errors import BackendMissing, BadParameter, ModelUnusable, choose_from

AUTO = "auto"
ONNXRUNTIME = "onnxruntime"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Distributions that install the folder ``onnxruntime``; two of them overwrite each other."""
NOT_HERE = {
    "openvino": "OpenVINO has no engine in this version",
    "tensorrt": "TensorRT has no engine in this version",
    "tensorrt-rtx": "TensorRT-RTX has no engine in this version",
    "cuda": "ONNX Runtime on CUDA has no engine in this version",
}
BACKENDS = (AUTO, ONNXRUNTIME, *NOT_HERE)


def _version_of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def installed_runtime() -> str:
    """Name and version of the one ONNX Runtime that is installed. BackendMissing: none, or both at once."""
    found = {name: _version_of(name) for name in RUNTIMES}
    present = [name for name, version_ in found.items() if version_]
    if not present:
        raise BackendMissing('no inference runtime is installed; fix: pip install "reelwire[cpu]"')
    if len(present) > 1:
        raise BackendMissing(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; fix: "
            'pip uninstall -y onnxruntime onnxruntime-gpu && pip install "reelwire[cpu]"'
        )
    return f"{present[0]} {found[present[0]]}"


def check_backend(backend: str) -> str:
    """The backend that will run: "auto" and "" resolved. BadParameter: unknown. BackendMissing: known, but
    not here."""
    if backend in NOT_HERE:
        raise BackendMissing(f'backend "{backend}" cannot be used: {NOT_HERE[backend]}; fix: use "auto"')
    if backend not in ("", AUTO, ONNXRUNTIME):
        raise BadParameter(choose_from("backend", backend, BACKENDS), field="backend")
    installed_runtime()
    return ONNXRUNTIME


def open_engine(
    path: Path, *, backend: str = AUTO, threads: int = 1, facts: GraphFacts | None = None
) -> Engine:
    """Loads an ONNX file. ``threads`` of one inference, 0: all cores; ``facts``: when read before.

    Raises InputNotFound, ModelUnusable, BackendMissing, BadParameter.
    """
    check_backend(backend)
    facts = facts or read_graph(path)
    if facts.foreign_operators:
        names = ", ".join(facts.foreign_operators)
        raise ModelUnusable(f"operators that ONNX Runtime does not have: {names}; export without them")
    from reelwire.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(facts, threads)
