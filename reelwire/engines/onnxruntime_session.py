"""One session of ONNX Runtime, wherever it runs: what its CPU and its CUDA backend share.

One inference runs on ``threads`` threads of its own; operators run one after the other and idle threads do
not spin, so that several streams on few cores stay even and a result never depends on the load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from reelwire.engines.backend import UNKNOWN, Array, Availability, Candidate, TensorSpec, check_inputs
from reelwire.engines.graph import GraphFacts
from reelwire.engines.host_stream import HostStream
from reelwire.errors import DeviceFellBack, ModelUnusable
from reelwire.threads import thread_count

CPU_RUNTIME, CUDA_RUNTIME = RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
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


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a session runs: ONNX Runtime's execution provider with its options, and entries of the session's
    configuration."""

    provider: str
    options: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)


def installed_runtime(backend: str = CPU_RUNTIME) -> Availability:
    """Which ONNX Runtime is installed, told as ``backend``'s; a problem where none is, or two at once."""
    present = [f"{name} {number}" for name in RUNTIMES if (number := version_of(name))]
    if not present:
        return Availability(
            backend, problem="not installed", fix='pip install "reelwire[cpu]"', installed=False
        )
    if len(present) > 1:
        return Availability(
            backend,
            problem="onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
            fix='pip uninstall -y onnxruntime onnxruntime-gpu && pip install "reelwire[cpu]"',
            installed=False,
        )
    return Availability(backend, device=present[0])


def version_of(distribution: str) -> str:
    """Of what is installed; empty where it is not."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


class SessionEngine:
    """One session, shared by all streams. See ``Engine``."""

    def __init__(self, candidate: Candidate, threads: int, *, device: str, placement: Placement) -> None:
        """``threads`` of one inference, 0: all usable cores. ModelUnusable: the graph cannot be loaded.
        DeviceFellBack: it, or nodes of it, would run elsewhere than on ``placement.provider``."""
        self.backend, self.device, self.precision = candidate.backend, device, candidate.precision
        self.threads = thread_count(threads)
        self._session = _open(candidate.variant.facts, self.threads, placement)
        self.inputs = _specs(self._session.get_inputs())
        self.outputs = _specs(self._session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]
        self._run_options = _runtime().RunOptions()
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


def _runtime() -> Any:
    import onnxruntime  # slow, and it may be missing

    return onnxruntime


def _open(facts: GraphFacts, threads: int, placement: Placement) -> Any:
    runtime = _runtime()
    has = runtime.get_available_providers()
    if placement.provider not in has:
        raise DeviceFellBack(
            f"the onnxruntime that is installed has {', '.join(has)}, expected {placement.provider}; fix: "
            "install the one package of ONNX Runtime that has it, and no other",
            field="backend",
        )
    try:
        session = runtime.InferenceSession(
            str(facts.path.resolve()),
            _session_options(runtime, threads, placement.entries),
            providers=[(placement.provider, dict(placement.options))],
        )
    except Exception as error:  # the binding's errors share no public class
        text = _first_line(error)
        if "fallback to CPU EP has been explicitly disabled" in text:
            raise DeviceFellBack(
                f"nodes of {facts.path.name} would run on the CPU, expected all on {placement.provider}; "
                "fix: export it with a fixed size, or ask for another backend",
                field="backend",
            ) from None
        raise ModelUnusable(f"ONNX Runtime cannot load it: {text}") from None
    actual = session.get_providers()
    if actual[0] != placement.provider:
        raise DeviceFellBack(
            f"ONNX Runtime runs {facts.path.name} on {actual[0]}, expected {placement.provider}; fix: "
            "make the driver and the CUDA libraries fit onnxruntime-gpu (reelwire doctor)",
            field="backend",
        )
    return session


def _session_options(runtime: Any, threads: int, entries: Mapping[str, str]) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = FATAL
    for pool in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    return options


def _specs(nodes: Sequence[Any]) -> tuple[TensorSpec, ...]:
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
