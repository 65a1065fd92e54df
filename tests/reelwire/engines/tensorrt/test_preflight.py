"""A GPU is found, or the reason is told, by asking the driver's library alone."""

import ctypes
import uuid
from typing import Any

import pytest

from reelwire.engines.tensorrt.libraries import ENTERPRISE, RTX, load_libraries
from reelwire.engines.tensorrt.preflight import Gpu, find_gpu
from reelwire.errors import BackendMissing

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class FakeDriver:
    """libcuda.so.1 of a machine with GPUs, behind the C calling convention."""

    def __init__(self, *, init: int = 0, count: int = 1, version: int = 13010, list_error: int = 0) -> None:
        self._init, self._count, self._version, self._list_error = init, count, version, list_error
        self.opened = 0

    def __call__(self, name: str) -> "FakeDriver":
        assert name == "libcuda.so.1"
        self.opened += 1
        return self

    def cuInit(self, flags: int) -> int:  # noqa: N802 (the driver's name)
        assert flags == 0
        return self._init

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self._count
        return self._list_error

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self._version
        return 0

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:  # noqa: N802
        device._obj.value = ordinal + 40
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: ctypes.c_int) -> int:  # noqa: N802
        assert device.value >= 40
        name.value = b"NVIDIA L4"
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, device: ctypes.c_int) -> int:  # noqa: N802
        value._obj.value = {75: 8, 76: 9}[which]
        return 0

    def cuDeviceGetUuid_v2(self, raw: Any, device: ctypes.c_int) -> int:  # noqa: N802
        raw._obj[:] = list(UUID.bytes)
        return 0


def absent(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


def test_a_gpu_says_what_plans_depend_on() -> None:
    gpu = find_gpu(load=FakeDriver())
    assert gpu == Gpu("", "", "NVIDIA L4", "8.9", "13.1", f"GPU-{UUID}")
    assert gpu.ok


@pytest.mark.parametrize(
    ("load", "problem", "fix"),
    [
        (absent, "no NVIDIA driver visible", "--gpus all"),
        (FakeDriver(init=100), "cuInit returned 100", "--gpus all"),
        (FakeDriver(init=35), "cuInit returned 35", "r580"),
        (FakeDriver(init=34), "cuInit returned 34", "stub"),
        (FakeDriver(init=803), "cuInit returned 803", "reboot"),
        (FakeDriver(init=999), "cuInit returned 999", "nvidia-smi"),
        (FakeDriver(count=0), "shows 0 GPUs", "--gpus all"),
        (FakeDriver(list_error=3), "does not list", "--gpus all"),
        (FakeDriver(version=12080), "up to 12.8", "r580"),
        (lambda name: object(), "not NVIDIA's driver", "stub"),
    ],
)
def test_no_gpu_is_a_reason_and_a_fix_never_an_exception(load: Any, problem: str, fix: str) -> None:
    gpu = find_gpu(load=load)
    assert not gpu.ok
    assert problem in gpu.problem
    assert fix in gpu.fix
    assert "\n" not in gpu.problem + gpu.fix


@pytest.mark.parametrize(
    ("facts", "fix"),
    [(ENTERPRISE, "https://pypi.nvidia.com"), (RTX, r"reelwire\[tensorrt-rtx\]")],
    ids=["tensorrt", "tensorrt-rtx"],
)
def test_bindings_without_their_libraries_are_missing_with_the_fix(facts: Any, fix: str) -> None:
    def import_module(name: str) -> Any:
        raise ImportError("libnvonnxparser.so.11: cannot open shared object file: No such file or directory")

    with pytest.raises(BackendMissing, match=rf"libnvonnxparser\.so\.11.*fix: .*{fix}"):
        load_libraries(facts, import_module)


def test_what_is_imported_is_handed_on_with_its_version() -> None:
    class Trt:
        __version__ = "11.4.0.106"

    modules = {"tensorrt": Trt, "cuda.bindings.runtime": object()}
    found = load_libraries(ENTERPRISE, modules.__getitem__)
    assert (found.trt, found.cudart) == (Trt, modules["cuda.bindings.runtime"])
    assert (found.name, found.version) == ("tensorrt", "11.4.0.106")
