"""Whether there is an NVIDIA GPU, asked of the driver alone.

Never through TensorRT: without a driver its runtime is an object around nothing, and using it, or only
leaving the process, is a segmentation fault. ``cuInit`` has no such trap.
"""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DRIVER_LIBRARY = "libcuda.so.1"
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*, https://docs.nvidia.com/cuda/cuda-driver-api"""
NAME_BYTES = 128
NO_DEVICE, INSUFFICIENT_DRIVER, STUB_LIBRARY, SYSTEM_MISMATCH = 100, 35, 34, 803
LEAST_DRIVER = 13000
"""CUDA 13.0: what the pinned wheels are built for, driver r580."""
START_WITH_GPU = "start the container with --gpus all"
CUINIT_FIXES = {
    NO_DEVICE: START_WITH_GPU,
    INSUFFICIENT_DRIVER: "update the NVIDIA driver to r580 or newer",
    STUB_LIBRARY: "remove the stub libcuda.so.1 from the library path",
    SYSTEM_MISMATCH: "reboot: the driver was updated while its old kernel module is loaded",
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that would be used, or why there is none.

    ``problem`` and ``fix``: one line each, empty where it can be used. ``compute_capability``: "8.9".
    ``driver``: the newest CUDA version that the driver takes, "13.0". ``uuid``: "GPU-…", as nvidia-smi.
    """

    problem: str = ""
    fix: str = ""
    name: str = ""
    compute_capability: str = ""
    driver: str = ""
    uuid: str = ""

    @property
    def ok(self) -> bool:
        """It can be used."""
        return not self.problem


def find_gpu(ordinal: int = 0, load: Callable[[str], Any] = ctypes.CDLL) -> Gpu:
    """The GPU of that number. Never raises. ``load``: how the driver's library is opened; OSError where it
    is not there."""
    try:
        driver = load(DRIVER_LIBRARY)
    except OSError:
        return Gpu("no NVIDIA driver visible", START_WITH_GPU)
    try:
        return _ask(driver, ordinal)
    except AttributeError as error:  # a library of that name without the driver's functions
        return Gpu(f"{DRIVER_LIBRARY} is not NVIDIA's driver ({error})", CUINIT_FIXES[STUB_LIBRARY])


def _ask(driver: Any, ordinal: int) -> Gpu:
    if status := driver.cuInit(0):
        fix = CUINIT_FIXES.get(status, "see that nvidia-smi works where this runs")
        return Gpu(f"the NVIDIA driver does not start (cuInit returned {status})", fix)
    count, version, device = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if status := driver.cuDeviceGetCount(ctypes.byref(count)):
        return Gpu(f"the NVIDIA driver does not list GPUs (error {status})", START_WITH_GPU)
    if count.value <= ordinal:
        return Gpu(f"the NVIDIA driver shows {count.value} GPUs, wanted number {ordinal}", START_WITH_GPU)
    driver.cuDriverGetVersion(ctypes.byref(version))
    told = f"{version.value // 1000}.{version.value % 1000 // 10}"
    if version.value < LEAST_DRIVER:
        problem = f"the NVIDIA driver takes CUDA up to {told}, expected {LEAST_DRIVER // 1000}.0 or newer"
        return Gpu(problem, CUINIT_FIXES[INSUFFICIENT_DRIVER], driver=told)
    if status := driver.cuDeviceGet(ctypes.byref(device), ordinal):
        return Gpu(f"GPU {ordinal} cannot be opened (error {status})", START_WITH_GPU, driver=told)
    name = ctypes.create_string_buffer(NAME_BYTES)
    driver.cuDeviceGetName(name, NAME_BYTES, device)
    return Gpu(
        name=name.value.decode("utf-8", "replace"),
        compute_capability=f"{_attribute(driver, CAPABILITY_MAJOR, device)}."
        f"{_attribute(driver, CAPABILITY_MINOR, device)}",
        driver=told,
        uuid=_uuid(driver, device),
    )


def _attribute(driver: Any, which: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)
    return value.value


def _uuid(driver: Any, device: ctypes.c_int) -> str:
    raw = (ctypes.c_ubyte * 16)()
    status = driver.cuDeviceGetUuid_v2(ctypes.byref(raw), device)
    return "" if status else f"GPU-{uuid.UUID(bytes=bytes(raw))}"
