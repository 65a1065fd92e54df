"""The two TensorRT libraries and CUDA's runtime: which are installed, and their import.

Installed is read from the distributions' metadata. Nothing is imported before a GPU was found: importing is
slow and, on a machine without a driver, one step from a crash.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from reelwire.errors import BackendMissing

CUDA_MODULE = "cuda.bindings.runtime"
CUDA_DISTRIBUTIONS = ("cuda-bindings", "cuda-python")


@dataclass(frozen=True, slots=True)
class LibraryFacts:
    """One of the libraries from the outside. ``distributions``: any of which brings ``module``; ``refuses``:
    compute capabilities that it does not compile for."""

    name: str
    module: str
    distributions: tuple[str, ...]
    fix: str
    refuses: tuple[str, ...] = ()


ENTERPRISE = LibraryFacts(
    name="tensorrt",
    module="tensorrt",
    distributions=("tensorrt-cu13", "tensorrt", "tensorrt-cu12"),
    fix='pip install --extra-index-url https://pypi.nvidia.com "reelwire[tensorrt]"',
)
RTX = LibraryFacts(
    name="tensorrt-rtx",
    module="tensorrt_rtx",
    distributions=("tensorrt-rtx-cu13", "tensorrt-rtx"),
    fix='pip install "reelwire[tensorrt-rtx]"',
    refuses=("9.0", "10.0", "10.3"),  # H100, H200, B200, B300: data centre chips
)


@dataclass(frozen=True, slots=True)
class Libraries:
    """What the engine works with: imported modules, or something with their names.

    ``trt``: ``tensorrt`` or ``tensorrt_rtx``. ``cudart``: ``cuda.bindings.runtime``. ``name``: the backend's.
    """

    trt: Any
    cudart: Any
    name: str
    version: str


def installed_version(distributions: tuple[str, ...]) -> str:
    """Of the first that is installed; empty: none is. Imports nothing."""
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def not_installed(facts: LibraryFacts) -> str:
    """What is missing, in words; empty where nothing is."""
    if not installed_version(facts.distributions):
        return "not installed"
    return "" if installed_version(CUDA_DISTRIBUTIONS) else "cuda-python is not installed"


def load_libraries(
    facts: LibraryFacts, import_module: Callable[[str], Any] = importlib.import_module
) -> Libraries:
    """Imports both; only where ``preflight.find_gpu`` found a GPU. BackendMissing: one is missing or cannot
    be imported, as the bindings without their libraries (``libnvinfer``, ``libnvonnxparser``)."""
    modules = []
    for name in (facts.module, CUDA_MODULE):
        try:
            modules.append(import_module(name))
        except (ImportError, OSError) as error:
            raise BackendMissing(
                f'backend "{facts.name}" cannot be used: {name} cannot be imported: '
                f"{' '.join(str(error).split())}; fix: {facts.fix}",
                field="backend",
            ) from None
    trt, cudart = modules
    return Libraries(trt, cudart, facts.name, trt.__version__)
