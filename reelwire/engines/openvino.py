"""OpenVINO on the CPU, through its own interface.

What it computes in is always said: by itself it takes bf16 wherever the CPU has it, and quantises what is
multiplied with compressed weights. One inference runs on ``threads`` threads; as many run at once as the
usable cores hold, each on threads of its own, and the bytes of a result depend on neither.
"""

from __future__ import annotations

import functools
import queue
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from reelwire.engines.host_stream import HostStream
from reelwire.engines.onnxruntime_session import version_of
from reelwire.engines.signature import read_signature
from reelwire.errors import BackendMissing, ModelUnusable, Stalled
from reelwire.threads import thread_count, usable_cores

NAME = "openvino"
DEVICE = "cpu"
PLUGIN = "CPU"
TELEMETRY = "openvino_telemetry"
HINTS = {"bf16": "bf16"}
"""What is computed in, by precision; all else computes in f32 what the file leaves in float."""
MAX_WAIT_S = 600.0
"""For an inference of another stream to end: longer than any frame takes, the runtime hangs."""
_importing = threading.Lock()
# Where an error of OpenVINO was raised, not what it says.
_PLACES = re.compile(
    r"^Exception from .*$|Check '.*' failed at \S+:\d+:|^While validating node .*$|^FrontEnd API failed.*$",
    re.M,
)


class OpenVinoBackend:
    """OpenVINO's CPU plugin."""

    name = NAME

    def probe(self) -> Availability:
        """See ``Backend.probe``."""
        if not version_of("openvino"):
            return Availability(
                NAME, problem="not installed", fix='pip install "reelwire[cpu]"', installed=False
            )
        return Availability(NAME, device=DEVICE)

    def candidates(self, variants: Sequence[Variant]) -> tuple[Candidate, ...]:
        """bf16 from the fp32 file, only on a CPU that computes in it; int8 in the symmetric form where there
        is one; fp16 only where there is nothing else, as it is computed in f32."""
        best: dict[str, Variant] = {}
        for variant in variants:
            if variant.precision not in best or variant.form == "s8s8":
                best[variant.precision] = variant
        if "fp32" in best:
            best.pop("fp16", None)
            if has_bf16():
                best["bf16"] = best["fp32"]
        order = [precision for precision in ("fp32", "fp16", "bf16", "int8") if precision in best]
        return tuple(Candidate(NAME, best[precision], precision) for precision in order)

    def open(self, candidate: Candidate, options: EngineOptions) -> OpenVinoEngine:
        """See ``Backend.open``."""
        return OpenVinoEngine(candidate, options.threads)


BACKEND = OpenVinoBackend()


class OpenVinoEngine:
    """One compiled graph, shared by all streams. See ``Engine``."""

    backend = NAME
    device = DEVICE

    def __init__(self, candidate: Candidate, threads: int) -> None:
        """``threads`` of one inference, 0: all usable cores. ModelUnusable: the graph cannot be loaded."""
        self.precision = candidate.precision
        path = candidate.variant.facts.path
        wanted = min(thread_count(threads), usable_cores())
        try:
            model = _core().read_model(str(path.resolve()))
            self.inputs, self.outputs = _specs(model, path)
            compiled = _core().compile_model(model, PLUGIN, _settings(self.precision, wanted))
            streams = int(compiled.get_property("NUM_STREAMS"))
            self.threads = max(1, int(compiled.get_property("INFERENCE_NUM_THREADS")) // streams)
            self._requests: queue.LifoQueue[Any] = queue.LifoQueue()
            for _ in range(streams):
                self._requests.put(compiled.create_infer_request())
        except RuntimeError as error:
            raise ModelUnusable(f"OpenVINO cannot load it: {one_line(error)}") from None
        self._streams = streams

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One inference; see ``Engine.run``. Waits where as many are under way as the cores hold; Stalled:
        for ``MAX_WAIT_S``."""
        check_inputs(self.inputs, inputs)
        with self._request() as request:
            try:
                request.infer([inputs[spec.name] for spec in self.inputs], share_inputs=False)
            except RuntimeError as error:
                raise ModelUnusable(f"OpenVINO failed: {one_line(error)}") from None
            return {
                spec.name: request.get_output_tensor(place).data.copy()  # its memory is used again
                for place, spec in enumerate(self.outputs)
            }

    def stream(self, states: Mapping[str, str]) -> HostStream:
        """See ``Engine.stream``."""
        return HostStream(self.run, states)

    def close(self) -> None:
        """Frees the graph and its memory."""
        for _ in range(self._streams):
            self._requests.get_nowait()
        self._streams = 0

    @contextmanager
    def _request(self) -> Iterator[Any]:
        if not self._streams:
            raise ModelUnusable("the engine is closed")
        try:
            request = self._requests.get(timeout=MAX_WAIT_S)
        except queue.Empty:
            raise Stalled(
                f"{self._streams} inferences have not ended for {MAX_WAIT_S:g} s; OpenVINO hangs"
            ) from None
        try:
            yield request
        finally:
            self._requests.put(request)


def openvino() -> Any:
    """The package, imported without its telemetry: by itself it reports each import to its maker.
    BackendMissing: it is installed and cannot be imported."""
    with _importing:
        if "openvino" in sys.modules:
            return sys.modules["openvino"]
        known = sys.modules.get(TELEMETRY)
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # then openvino takes a stub of its own
        try:
            import openvino as package
        except (ImportError, OSError) as error:
            raise BackendMissing(
                f"OpenVINO is installed and cannot be imported: {one_line(error)}; fix: pip install "
                '--force-reinstall "reelwire[cpu]"',
                field="backend",
            ) from None
        finally:
            del sys.modules[TELEMETRY]
            if known is not None:
                sys.modules[TELEMETRY] = known
    return package


@functools.cache
def _core() -> Any:
    return openvino().Core()


@functools.cache
def has_bf16() -> bool:
    """Whether this CPU computes in bf16: elsewhere OpenVINO would convert and gain nothing."""
    return "BF16" in _core().get_property(PLUGIN, "OPTIMIZATION_CAPABILITIES")


def _settings(precision: str, threads: int) -> dict[str, Any]:
    streams = max(1, usable_cores() // threads)
    return {
        "INFERENCE_PRECISION_HINT": HINTS.get(precision, "f32"),
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams * threads,
        "ENABLE_HYPER_THREADING": True,
        "ENABLE_CPU_PINNING": False,  # services that share cores would all take the same ones
    }


def _specs(model: Any, path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Names of tensors and dimensions are the file's, lengths that it leaves open are OpenVINO's."""
    inputs, outputs = read_signature(path)
    return _known(inputs, model.inputs, path), _known(outputs, model.outputs, path)


def _known(said: Sequence[TensorSpec], found: Sequence[Any], path: Path) -> tuple[TensorSpec, ...]:
    same = len(said) == len(found) and all(
        spec.name in port.names for spec, port in zip(said, found, strict=True)
    )
    if not same:
        names = ", ".join(sorted(name for port in found for name in port.names))
        raise ModelUnusable(f"OpenVINO reads {path.name} with {names}, expected {', '.join(map(str, said))}")
    return tuple(
        TensorSpec(spec.name, spec.dtype, _lengths(spec, port))
        for spec, port in zip(said, found, strict=True)
    )


def _lengths(spec: TensorSpec, port: Any) -> tuple[int | str, ...]:
    shape = port.partial_shape
    if shape.rank.is_dynamic:
        return spec.shape
    names: Sequence[int | str] = spec.shape if len(spec.shape) == len(shape) else (UNKNOWN,) * len(shape)
    return tuple(name if dim.is_dynamic else dim.get_length() for name, dim in zip(names, shape, strict=True))


def one_line(error: Exception) -> str:
    """What an error of OpenVINO says, without where in its source it was raised."""
    said = _PLACES.sub("", str(error)).split() or str(error).split()
    return " ".join(said)[:400]
