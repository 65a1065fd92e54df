"""ONNX Runtime on an NVIDIA GPU, and nowhere else.

ONNX Runtime falls back to the CPU without a word: its GPU package lists CUDA without a driver, and a session
that was asked for CUDA alone runs on the CPU. So the driver is asked first, the CPU is forbidden to the
session, and the session is asked what it got.
"""

from __future__ import annotations

from collections.abc import Sequence

from reelwire.engines.backend import Availability, Candidate, EngineOptions, Variant
from reelwire.engines.onnxruntime_session import (
    CUDA_RUNTIME,
    Placement,
    SessionEngine,
    installed_runtime,
    version_of,
)
from reelwire.engines.tensorrt.preflight import find_gpu

NAME = "cuda"
PLACEMENT = Placement(
    "CUDAExecutionProvider",
    # Algorithms by rule, not by a race that another load decides; fp32 is fp32, not its short form TF32.
    {"device_id": "0", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"},
    {"session.disable_cpu_ep_fallback": "1"},
)
FIX = 'pip uninstall -y onnxruntime && pip install "reelwire[cuda]"'


class CudaBackend:
    """ONNX Runtime's CUDA kernels."""

    name = NAME

    def probe(self) -> Availability:
        """See ``Backend.probe``."""
        told = installed_runtime(NAME)
        if told.ok and not version_of(CUDA_RUNTIME):
            return Availability(NAME, problem="onnxruntime-gpu is not installed", fix=FIX, installed=False)
        if not told.ok:
            return Availability(NAME, problem=told.problem, fix=FIX, installed=False)
        gpu = find_gpu()
        return Availability(NAME, device=gpu.name, problem=gpu.problem, fix=gpu.fix)

    def candidates(self, variants: Sequence[Variant]) -> tuple[Candidate, ...]:
        """fp32 and fp16. int8 graphs quantise for TensorRT: ONNX Runtime would compute them in float."""
        best = {variant.precision: variant for variant in reversed(variants)}
        return tuple(Candidate(NAME, best[each], each) for each in ("fp32", "fp16") if each in best)

    def open(self, candidate: Candidate, options: EngineOptions) -> SessionEngine:
        """See ``Backend.open``."""
        told = self.probe()
        if not told.ok:
            raise told.error()
        return SessionEngine(candidate, options.threads, device=told.device, placement=PLACEMENT)


BACKEND = CudaBackend()
