"""Whether TensorRT for RTX compiles a graph: NVIDIA's parser and compiler, which work without a GPU.

It proves operators, types and shapes; not numbers, speed or memory, and nothing about the other TensorRT.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelwire.engines.backend import ShapeProfile
from reelwire.engines.tensorrt.build import BuildOrder, build_plan
from reelwire.engines.tensorrt.progress import OnProgress
from reelwire.errors import BackendMissing

LIBRARY = "tensorrt_rtx"


@dataclass(frozen=True, slots=True)
class Compiled:
    """``activation_bytes``: of the device, for one context, as the library estimates."""

    plan_bytes: int
    activation_bytes: int
    seconds: float


def compile_check(
    path: Path, profiles: Sequence[ShapeProfile], on_progress: OnProgress | None = None
) -> Compiled:
    """Compiles ``path`` and forgets the plan. BackendMissing: the library is not installed. Raises as
    ``build_plan``."""
    built = build_plan(rtx_library(), BuildOrder(path, tuple(profiles)), on_progress)
    return Compiled(len(built.plan), built.activation_bytes, built.seconds)


def rtx_library() -> Any:
    """The module. BackendMissing: not installed."""
    try:
        return importlib.import_module(LIBRARY)
    except ImportError as error:
        raise BackendMissing(
            f'TensorRT for RTX is not installed ({error}); fix: pip install "reelwire[tensorrt-rtx]"',
            field="backend",
        ) from None
