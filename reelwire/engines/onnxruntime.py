"""ONNX Runtime on the CPU.

One inference runs on ``threads`` threads of its own; operators run one after the other and idle threads do
not spin, so that several streams on few cores stay even and a result never depends on the load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reelwire.engines.backend import (
    UNKNOWN,
    Array,
    Availability,
    Candidate,
    EngineOptions,
    TensorSpec,
    Variant,
    check_inputs,
)
from reelwire.engines.graph import GraphFacts
from reelwire.engines.host_stream import HostStream
from reelwire.errors import ModelUnusable
from reelwire.threads import thread_count

NAME = "onnxruntime"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Distributions that install the folder ``onnxruntime``; two of them overwrite each other."""
NUMPY_NAME = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(uint16)": "uint16",
    "tensor(int16)": "int16",
    "tensor(uint32)": "uint32",
    "tensor(int32)": "int32",
    "tensor(uint64)": "uint64",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
FATAL = 4
"""ONNX Runtime's log level: all else it also raises, and stderr belongs to the service."""


def _specs(nodes: list[Any]) -> tuple[TensorSpec, ...]:
    specs = []
    for node in nodes:
        dtype = NUMPY_NAME.get(node.type)
        if dtype is None:
            raise ModelUnusable(f'"{node.name}" is a {node.type}; expected tensors of numbers: export it so')
        shape = (length if length is not None else UNKNOWN for length in node.shape)
        specs.append(TensorSpec(node.name, dtype, tuple(shape)))
    return tuple(specs)


def _first_line(error: Exception) -> str:
    """ONNX Runtime's message without its code and stack."""
    text = str(error).replace("[ONNXRuntimeError] : ", "")
    return " ".join(text.split())[:400]


def _version_of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def installed_runtime() -> Availability:
    """Which ONNX Runtime is installed; a problem where none is, or two at once."""
    present = [f"{name} {number}" for name in RUNTIMES if (number := _version_of(name))]
    if not present:
        return Availability(NAME, problem="not installed", fix='pip install "reelwire[cpu]"', installed=False)
    if len(present) > 1:
        return Availability(
            NAME,
            problem="onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
            fix='pip uninstall -y onnxruntime onnxruntime-gpu && pip install "reelwire[cpu]"',
            installed=False,
        )
    return Availability(NAME, device=present[0])


class OnnxRuntimeBackend:
    """ONNX Runtime's own CPU kernels."""

    name = NAME

    def probe(self) -> Availability:
        """See ``Backend.probe``."""
        told = installed_runtime()
        return Availability(NAME, device="cpu") if told.ok else told

    def candidates(self, variants: Sequence[Variant]) -> tuple[Candidate, ...]:
        """fp16 only where there is nothing else: it gains nothing on a CPU and hides what overflows. int8 in
        the form that is faster here."""
        best: dict[str, Variant] = {}
        for variant in variants:
            if variant.precision not in best or variant.form == "u8s8":
                best[variant.precision] = variant
        if "fp32" in best:
            best.pop("fp16", None)
        order = [precision for precision in ("fp32", "fp16", "int8") if precision in best]
        return tuple(Candidate(NAME, best[precision], precision) for precision in order)

    def open(self, candidate: Candidate, options: EngineOptions) -> OnnxRuntimeEngine:
        """See ``Backend.open``."""
        return OnnxRuntimeEngine(candidate.variant.facts, options.threads)


BACKEND = OnnxRuntimeBackend()


class OnnxRuntimeEngine:
    """One session, shared by all streams."""

    backend = NAME
    device = "cpu"

    def __init__(self, facts: GraphFacts, threads: int) -> None:
        """``threads`` of one inference, 0: all usable cores. ModelUnusable: the graph cannot be loaded."""
        import onnxruntime

        self.threads = thread_count(threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = FATAL
        for pool in ("intra_op", "inter_op"):
            options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
        self.precision = facts.precision
        try:
            self._session = onnxruntime.InferenceSession(
                _path(facts.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the binding's errors share no public class
            raise ModelUnusable(f"ONNX Runtime cannot load it: {_first_line(error)}") from None
        self.inputs = _specs(self._session.get_inputs())
        self.outputs = _specs(self._session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]
        self._run_options = onnxruntime.RunOptions()
        self._run_options.log_severity_level = FATAL

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One inference; see ``Engine.run``."""
        check_inputs(self.inputs, inputs)
        try:
            values = self._session.run(self._output_names, dict(inputs), self._run_options)
        except Exception as error:
            raise ModelUnusable(f"ONNX Runtime failed: {_first_line(error)}") from None
        return dict(zip(self._output_names, values, strict=True))

    def stream(self, states: Mapping[str, str]) -> HostStream:
        """See ``Engine.stream``."""
        return HostStream(self.run, states)

    def close(self) -> None:
        """Frees the session."""
        del self._session


def _path(path: Path) -> str:
    return str(path.resolve())
