"""The enums and base classes of TensorRT that the engine and the builder use."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """``ILogger.Severity``."""

    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    """Inherited by whoever wants to hear the library."""

    Severity = Severity
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE

    def log(self, severity: Any, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    """Inherited by whoever wants to see a build go on."""

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class TensorIOMode(IntEnum):
    """Which way a tensor goes."""

    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(IntEnum):
    """Types of tensors."""

    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    BF16 = 7
    INT64 = 8


class BuilderFlag(IntEnum):
    """What a build may do."""

    DEBUG = 2
    REFIT = 4
    TF32 = 6
    SPARSE_WEIGHTS = 7
    VERSION_COMPATIBLE = 12
    STRIP_PLAN = 16


class NetworkDefinitionCreationFlag(IntEnum):
    """Kinds of networks."""

    STRONGLY_TYPED = 1


class MemoryPoolType(IntEnum):
    """What memory is limited."""

    WORKSPACE = 0


class ErrorCode(IntEnum):
    """What the ONNX parser finds."""

    MODEL_DESERIALIZE_FAILED = 3
    INVALID_GRAPH = 5
    INVALID_NODE = 6
    UNSUPPORTED_NODE = 8
    UNSUPPORTED_NODE_ATTR = 9


DTYPES = {
    "tensor(float)": (DataType.FLOAT, "float32"),
    "tensor(float16)": (DataType.HALF, "float16"),
    "tensor(int8)": (DataType.INT8, "int8"),
    "tensor(uint8)": (DataType.UINT8, "uint8"),
    "tensor(int32)": (DataType.INT32, "int32"),
    "tensor(int64)": (DataType.INT64, "int64"),
    "tensor(bool)": (DataType.BOOL, "bool"),
}
"""By ONNX Runtime's names: TensorRT's and NumPy's."""
