"""One tensor's memory: on the device, and a pinned twin on the host where the host reads or writes it."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from reelwire.engines.backend import Array
from reelwire.engines.tensorrt.cuda import Cuda


class Buffer:
    """Memory for one tensor of one shape. Pinned, so that copies run beside the host and need no staging.

    ``device``: address on the GPU. ``host``: the twin as an array, valid until ``free``; empty without one.
    """

    def __init__(self, cuda: Cuda, shape: tuple[int, ...], dtype: str, *, twin: bool = True) -> None:
        """``twin``: with one on the host. CudaFailed: no memory; nothing of it is kept."""
        self._cuda = cuda
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.size_bytes = max(1, math.prod(shape) * self.dtype.itemsize)  # CUDA gives no address for nothing
        self.device = int(cuda.call("cudaMalloc", self.size_bytes))
        self._host = 0
        self._free = False
        self.host = np.empty(0, self.dtype)
        if twin:
            try:
                self._host = int(cuda.call("cudaMallocHost", self.size_bytes))
            except BaseException:
                self.free()
                raise
            self.host = self._view()

    def write(self, array: Array) -> None:
        """Into the twin. Nothing may be queued on it from before."""
        np.copyto(self.host, array, casting="no")

    def upload(self, stream: Any) -> None:
        """Queues the twin's way to the device."""
        self._cuda.upload(self.device, self._host, self.size_bytes, stream)

    def download(self, stream: Any) -> None:
        """Queues the way to the twin."""
        self._cuda.download(self._host, self.device, self.size_bytes, stream)

    def copy_from(self, other: Buffer, stream: Any) -> None:
        """Queues a copy on the device from a buffer of the same size."""
        self._cuda.copy(self.device, other.device, self.size_bytes, stream)

    def read(self) -> Array:
        """The twin's content as an array of the caller's own. Only after the stream was waited for."""
        return np.array(self.host)

    def free(self) -> None:
        """Gives both back; nothing may be under way on them. May be called twice."""
        if self._free:
            return
        self._free = True
        self.host = np.empty(0, self.dtype)
        try:
            self._cuda.call("cudaFree", self.device)
        finally:
            if self._host:
                self._cuda.call("cudaFreeHost", self._host)

    def _view(self) -> Array:
        raw = (ctypes.c_ubyte * self.size_bytes).from_address(self._host)
        return np.frombuffer(memoryview(raw), self.dtype, count=math.prod(self.shape)).reshape(self.shape)
