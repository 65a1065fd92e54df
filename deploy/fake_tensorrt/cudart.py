"""The fake of ``cuda.bindings.runtime``: the same names, tuples and enums."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import Any

from deploy.fake_tensorrt.device import DEVICE, HOST, POISON, TOTAL_BYTES, Device, FakeStream, Task

NON_BLOCKING = 1


class cudaError_t(IntEnum):
    """Those that are met here."""

    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorIllegalAddress = 700
    cudaErrorLaunchFailure = 719
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901


class cudaMemcpyKind(IntEnum):
    """Which way a copy goes."""

    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3


class cudaStreamCaptureMode(IntEnum):
    """Whom a capture concerns."""

    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


KINDS = {
    cudaMemcpyKind.cudaMemcpyHostToDevice: (DEVICE, HOST),
    cudaMemcpyKind.cudaMemcpyDeviceToHost: (HOST, DEVICE),
    cudaMemcpyKind.cudaMemcpyDeviceToDevice: (DEVICE, DEVICE),
}
"""Where it goes to, and from."""
OK = (cudaError_t.cudaSuccess,)


def _call(function: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """One at a time, and failing where a test says so."""

    @wraps(function)
    def run(self: FakeCudart, *arguments: Any) -> tuple[Any, ...]:
        with self._device.lock:
            failure = self._device.failures.pop(function.__name__, "")
            if failure:
                self._last = cudaError_t[failure]
                return (self._last, None)
            return function(self, *arguments)

    return run


class FakeCudart:
    """The functions that the engine calls."""

    cudaError_t = cudaError_t
    cudaMemcpyKind = cudaMemcpyKind
    cudaStreamCaptureMode = cudaStreamCaptureMode
    cudaStreamNonBlocking = NON_BLOCKING

    def __init__(self, device: Device) -> None:
        self._device = device
        self._recorded: dict[int, list[Task]] = {}
        self._last = cudaError_t.cudaSuccess

    @_call
    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        if self._device.device_bytes() + size > TOTAL_BYTES:
            return cudaError_t.cudaErrorMemoryAllocation, None
        return *OK, self._device.allocate(size, DEVICE)

    @_call
    def cudaMallocHost(self, size: int) -> tuple[Any, ...]:
        return *OK, self._device.allocate(size, HOST)

    @_call
    def cudaFree(self, address: int) -> tuple[Any, ...]:
        self._device.free(address, DEVICE)
        return OK

    @_call
    def cudaFreeHost(self, address: int) -> tuple[Any, ...]:
        self._device.free(address, HOST)
        return OK

    @_call
    def cudaMemGetInfo(self) -> tuple[Any, ...]:
        return *OK, TOTAL_BYTES - self._device.device_bytes(), TOTAL_BYTES

    @_call
    def cudaGetLastError(self) -> tuple[Any, ...]:
        last, self._last = self._last, cudaError_t.cudaSuccess
        return (last,)

    @_call
    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        if flags != NON_BLOCKING:
            raise self._device.refuse("a stream that waits for the default stream")
        handle = self._device.new_handle()
        self._device.streams[handle] = FakeStream(handle)
        return *OK, handle

    @_call
    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:
        if self._device.stream(stream).queue:
            raise self._device.refuse("a stream ended with work on it")
        del self._device.streams[int(stream)]
        return OK

    @_call
    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        found = self._device.stream(stream)
        if found.capturing is not None:
            raise self._device.refuse("synchronize during capture")
        self._device.drain(found)
        return OK

    @_call
    def cudaMemcpyAsync(self, to: int, source: int, count: int, kind: int, stream: int) -> tuple[Any, ...]:
        device = self._device
        to_kind, source_kind = KINDS[cudaMemcpyKind(kind)]

        def check() -> None:
            device.check_range(to, count, to_kind)
            device.check_range(source, count, source_kind)

        def announce() -> None:
            check()
            if to_kind == HOST:  # what was not waited for is visibly not there
                ctypes.memset(to, POISON, count)

        def work() -> None:
            check()
            ctypes.memmove(to, source, count)

        check()
        device.submit(stream, Task(work, announce))
        return OK

    @_call
    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[Any, ...]:
        found = self._device.stream(stream)
        if found.capturing is not None:
            raise self._device.refuse("capture of a stream that is being captured")
        if mode != cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal:
            raise self._device.refuse("a capture that concerns other threads")
        found.capturing, found.capturing_thread = [], threading.get_ident()
        return OK

    @_call
    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, ...]:
        found = self._device.stream(stream)
        if found.capturing is None or found.capturing_thread != threading.get_ident():
            raise self._device.refuse("end of a capture that this thread did not begin")
        tasks, found.capturing = found.capturing, None
        if found.invalidated:
            found.invalidated = False
            return cudaError_t.cudaErrorStreamCaptureInvalidated, None
        handle = self._device.new_handle()
        self._device.graphs.add(handle)
        self._recorded[handle] = tasks
        return *OK, handle

    @_call
    def cudaGraphInstantiate(self, graph: int, flags: int) -> tuple[Any, ...]:
        if graph not in self._device.graphs or flags:
            raise self._device.refuse("instantiation of no graph, or with flags")
        handle = self._device.new_handle()
        self._device.recordings[handle] = self._recorded[graph]
        return *OK, handle

    @_call
    def cudaGraphDestroy(self, graph: int) -> tuple[Any, ...]:
        if graph not in self._device.graphs:
            raise self._device.refuse("graph destroyed twice")
        self._device.graphs.remove(graph)
        del self._recorded[graph]
        return OK

    @_call
    def cudaGraphLaunch(self, recording: int, stream: int) -> tuple[Any, ...]:
        tasks = self._device.recordings.get(recording)
        if tasks is None:
            raise self._device.refuse("launch of a recording that was destroyed")
        self._device.launches += 1
        for task in tasks:
            self._device.submit(stream, task)
        return OK

    @_call
    def cudaGraphExecDestroy(self, recording: int) -> tuple[Any, ...]:
        if self._device.recordings.pop(recording, None) is None:
            raise self._device.refuse("recording destroyed twice")
        return OK
