"""CUDA's runtime, each call checked: whatever fails raises with CUDA's own name for it."""

from __future__ import annotations

from typing import Any

NON_BLOCKING = 1
"""cudaStreamNonBlocking: the stream does not wait for the default stream, nor that for it."""
FIXES = {
    "cudaErrorMemoryAllocation": "fewer streams, smaller shape profiles, or a GPU with more memory",
    "cudaErrorInsufficientDriver": "update the NVIDIA driver",
}


class CudaFailed(Exception):
    """A CUDA call, or TensorRT on the device, failed. The CUDA context may be damaged with it, so a stream
    that meets this is given up and says ModelUnusable."""


class Cuda:
    """The calls that a stream makes. ``cudart``: ``cuda.bindings.runtime`` or something with its names, whose
    functions give a tuple of status and results."""

    def __init__(self, cudart: Any) -> None:
        self._cudart = cudart
        self._kinds = cudart.cudaMemcpyKind

    def call(self, name: str, *arguments: Any) -> Any:
        """One call by name; what it gives but the status. CudaFailed: the status is not success."""
        status, *results = getattr(self._cudart, name)(*arguments)
        if int(status) != 0:
            error = getattr(status, "name", str(status))
            fix = FIXES.get(error, "start the stream again; if it stays so, restart the service")
            raise CudaFailed(f"CUDA failed: {name} gave {error}; fix: {fix}")
        return results[0] if results else None

    def new_stream(self) -> Any:
        """A stream of its own, never the default one. Ended by ``end_stream``."""
        return self.call("cudaStreamCreateWithFlags", NON_BLOCKING)

    def end_stream(self, stream: Any) -> None:
        """Frees it; nothing may be under way on it."""
        self.call("cudaStreamDestroy", stream)

    def wait(self, stream: Any) -> None:
        """Until all that was queued on it is done."""
        self.call("cudaStreamSynchronize", stream)

    def upload(self, device: int, host: int, size_bytes: int, stream: Any) -> None:
        """Queues a copy of pinned host memory to the device."""
        self.call("cudaMemcpyAsync", device, host, size_bytes, self._kinds.cudaMemcpyHostToDevice, stream)

    def download(self, host: int, device: int, size_bytes: int, stream: Any) -> None:
        """Queues a copy back to pinned host memory; read it after ``wait`` only."""
        self.call("cudaMemcpyAsync", host, device, size_bytes, self._kinds.cudaMemcpyDeviceToHost, stream)

    def copy(self, to: int, source: int, size_bytes: int, stream: Any) -> None:
        """Queues a copy within the device."""
        self.call("cudaMemcpyAsync", to, source, size_bytes, self._kinds.cudaMemcpyDeviceToDevice, stream)

    def begin_capture(self, stream: Any) -> None:
        """From here on what this thread queues on the stream is recorded and not run. Other threads go on."""
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Any) -> Any:
        """What was recorded, ready to be launched. Ended by ``end_graph``. CudaFailed: something in between
        cannot be recorded; nothing of it ran."""
        try:
            graph = self.call("cudaStreamEndCapture", stream)
            try:
                return self.call("cudaGraphInstantiate", graph, 0)
            finally:
                self.call("cudaGraphDestroy", graph)
        except CudaFailed:
            self._forget_error()
            raise

    def give_up_capture(self, stream: Any) -> None:
        """Ends a capture that failed, whatever it says of itself, and forgets what it recorded."""
        status, graph = self._cudart.cudaStreamEndCapture(stream)
        if int(status) == 0 and graph is not None:
            self.call("cudaGraphDestroy", graph)
        self._forget_error()

    def launch(self, graph: Any, stream: Any) -> None:
        """Queues all that was recorded."""
        self.call("cudaGraphLaunch", graph, stream)

    def end_graph(self, graph: Any) -> None:
        """Frees it."""
        self.call("cudaGraphExecDestroy", graph)

    def _forget_error(self) -> None:
        """An error of a capture is no error of what comes after. The status that this call gives is that
        error, so it is not checked."""
        self._cudart.cudaGetLastError()
