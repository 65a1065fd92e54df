"""A fake library and a fake GPU, put together as the engine takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx

from deploy.fake_tensorrt import builder, names, parser, runtime
from deploy.fake_tensorrt.cudart import FakeCudart
from deploy.fake_tensorrt.device import Device
from deploy.fake_tensorrt.graph import Profile, pack_plan
from reelwire.engines.tensorrt.libraries import Libraries
from reelwire.engines.tensorrt.preflight import Gpu

VERSIONS = {"tensorrt": "11.4.0.106", "tensorrt-rtx": "1.7.1.116"}
CLASSES = {
    "Runtime": runtime.Runtime,
    "ICudaEngine": runtime.CudaEngine,
    "IExecutionContext": runtime.ExecutionContext,
    "ILogger": names.ILogger,
    "IProgressMonitor": names.IProgressMonitor,
    "TensorIOMode": names.TensorIOMode,
    "DataType": names.DataType,
    "BuilderFlag": names.BuilderFlag,
    "MemoryPoolType": names.MemoryPoolType,
    "IHostMemory": builder.HostMemory,
    "IOptimizationProfile": builder.OptimizationProfile,
    "ITimingCache": builder.TimingCache,
}
"""The fake of each class, by the real one's name; in each library."""
BUILDER_CLASSES = {
    "Builder": builder.Builder,
    "IBuilderConfig": builder.BuilderConfig,
    "INetworkDefinition": parser.Network,
    "ITensor": parser.NetworkTensor,
    "OnnxParser": parser.OnnxParser,
    "ParserError": parser.ParserError,
    "ErrorCode": names.ErrorCode,
    "NetworkDefinitionCreationFlag": names.NetworkDefinitionCreationFlag,
}
"""Those that only a library with a builder has."""
RTX_CLASSES = {"IExecutionContext": runtime.RtxExecutionContext, "ICudaEngine": runtime.RtxCudaEngine}
HIDDEN = ("ICudaEngine", "IExecutionContext")
"""Nobody makes one by calling its class."""


@dataclass(frozen=True, slots=True)
class FakeGpu:
    """``libraries``: to run and build with. ``device``: what lies on it, and how it is told to fail. ``gpu``:
    what a preflight finds."""

    libraries: Libraries
    device: Device
    gpu: Gpu

    def plan(self, path: Path, profiles: Sequence[Profile]) -> bytes:
        """A plan of an ONNX file, as the fake builder makes it, without its checks."""
        model = onnx.load(str(path)).SerializeToString()
        return pack_plan(model, list(profiles), self.libraries.name, self.libraries.version)


def fake_gpu(name: str = "tensorrt") -> FakeGpu:
    """A new, empty GPU with one of the libraries: "tensorrt" or "tensorrt-rtx"."""
    device = Device()
    version = VERSIONS[name]
    own: dict[str, Any] = {**CLASSES, **BUILDER_CLASSES}
    is_rtx = name == "tensorrt-rtx"
    identity = {"_library": name, "_version": version, "_device": device}
    engine = runtime.RtxCudaEngine if is_rtx else runtime.CudaEngine
    own["Runtime"] = type("Runtime", (runtime.Runtime,), {**identity, "_engine": engine})
    own["Builder"] = type("Builder", (builder.Builder,), identity)
    trt = SimpleNamespace(
        **{each: kind for each, kind in own.items() if each not in HIDDEN}, __version__=version
    )
    gpu = Gpu(name="Fake GPU", compute_capability="8.9", driver="13.1", uuid="GPU-fake")
    return FakeGpu(Libraries(trt, FakeCudart(device), name, version), device, gpu)
