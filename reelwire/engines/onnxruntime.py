"""ONNX Runtime on the CPU: the reference that every other backend is measured against."""

from __future__ import annotations

from collections.abc import Sequence

from reelwire.engines.backend import Availability, Candidate, EngineOptions, Variant
from reelwire.engines.onnxruntime_session import Placement, SessionEngine, installed_runtime

NAME = "onnxruntime"
DEVICE = "cpu"
PLACEMENT = Placement("CPUExecutionProvider")


class OnnxRuntimeBackend:
    """ONNX Runtime's own CPU kernels."""

    name = NAME

    def probe(self) -> Availability:
        """See ``Backend.probe``."""
        told = installed_runtime()
        return Availability(NAME, device=DEVICE) if told.ok else told

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

    def open(self, candidate: Candidate, options: EngineOptions) -> SessionEngine:
        """See ``Backend.open``."""
        return SessionEngine(candidate, options.threads, device=DEVICE, placement=PLACEMENT)


BACKEND = OnnxRuntimeBackend()
