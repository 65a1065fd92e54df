"""The fake invents nothing: each of its names exists in the real classes, and enums have the same values. A
fake that isn't held to that goes on passing after the library has dropped what it offers."""

from __future__ import annotations

import inspect
import re
from enum import IntEnum
from types import ModuleType
from typing import Any

import pytest

from deploy.fake_tensorrt.cudart import FakeCudart
from deploy.fake_tensorrt.library import BUILDER_CLASSES, CLASSES, RTX_CLASSES, fake_gpu

ASSIGNED = re.compile(r"self\.([A-Za-z]\w*)(?:: [^=\n]+)? = ")


def public(kind: type) -> list[str]:
    """What the fake itself gives: methods, properties, enum members, and what is assigned to ``self``."""
    if issubclass(kind, IntEnum):
        return list(kind.__members__)
    ours = [each for each in kind.__mro__ if each.__module__.startswith("deploy.")]
    names = {name for each in ours for name in vars(each)}
    methods = [member for each in ours for member in vars(each).values() if inspect.isfunction(member)]
    names |= {name for method in methods for name in ASSIGNED.findall(inspect.getsource(method))}
    return sorted(name for name in names if not name.startswith("_"))


def invented(real: ModuleType, classes: dict[str, Any]) -> list[str]:
    """Class.name of everything that the real module lacks."""
    lacking = [name for name in classes if not hasattr(real, name)]
    return lacking + [
        f"{name}.{each}"
        for name, kind in classes.items()
        if name not in lacking
        for each in public(kind)
        if not hasattr(getattr(real, name), each)
    ]


def test_the_runtime_side_exists_in_tensorrts_lean_runtime() -> None:
    real = pytest.importorskip("tensorrt_lean", reason="tensorrt_lean is not installed")
    assert invented(real, CLASSES) == []


def test_both_sides_exist_in_tensorrt_for_rtx() -> None:
    real = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    assert invented(real, {**CLASSES, **BUILDER_CLASSES, **RTX_CLASSES}) == []


@pytest.mark.parametrize("library", ["tensorrt", "tensorrt-rtx"])
def test_the_fakes_modules_offer_no_name_that_the_real_ones_lack(library: str) -> None:
    real = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    offered = vars(fake_gpu(library).libraries.trt)
    assert [name for name in offered if not hasattr(real, name)] == []


def test_cudas_names_and_values_exist_in_cuda_bindings() -> None:
    real = pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed")
    names = [name for name in vars(FakeCudart) if not name.startswith("_")]
    assert len(names) > 15
    assert [name for name in names if not hasattr(real, name)] == []
    for kind in (FakeCudart.cudaError_t, FakeCudart.cudaMemcpyKind, FakeCudart.cudaStreamCaptureMode):
        members = getattr(real, kind.__name__).__members__
        assert {name: int(value) for name, value in kind.__members__.items()} == {
            name: int(members[name]) for name in kind.__members__
        }
    assert FakeCudart.cudaStreamNonBlocking == real.cudaStreamNonBlocking


def test_cudas_functions_take_as_many_arguments_as_the_real_ones() -> None:
    real = pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed")
    functions = [
        name for name, member in vars(FakeCudart).items() if inspect.isfunction(member) and name[0] != "_"
    ]
    assert functions
    for name in functions:
        said = getattr(real, name).__doc__.splitlines()[0]  # "cudaMalloc(size_t size)"
        given = said[said.index("(") + 1 : said.rindex(")")]
        wanted = len(inspect.signature(getattr(FakeCudart, name)).parameters) - 1
        assert len([each for each in given.split(",") if each.strip()]) == wanted, said


@pytest.mark.parametrize("library", ["tensorrt_lean", "tensorrt_rtx"])
def test_enums_that_the_engine_reads_have_the_real_values(library: str) -> None:
    real = pytest.importorskip(library, reason=f"{library} is not installed")
    for name in ("TensorIOMode", "DataType"):
        for member, value in CLASSES[name].__members__.items():
            assert int(getattr(real, name).__members__[member]) == int(value), f"{name}.{member}"
    severities = real.ILogger.Severity.__members__
    assert {name: int(value) for name, value in severities.items()} == {
        name: int(value) for name, value in CLASSES["ILogger"].Severity.__members__.items()
    }


def test_an_invented_name_is_found() -> None:
    real = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")

    class Invented(CLASSES["Runtime"]):  # type: ignore[misc]
        def deserialize_quickly(self) -> None:
            self.quick_count = 1

    Invented.__module__ = "deploy.invented"
    assert invented(real, {"Runtime": Invented}) == ["Runtime.deserialize_quickly", "Runtime.quick_count"]
