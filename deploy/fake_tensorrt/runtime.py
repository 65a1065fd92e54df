"""The fake of TensorRT's runtime: ``Runtime``, ``ICudaEngine``, ``IExecutionContext``."""

from __future__ import annotations

import ctypes
import itertools
import math

import numpy as np

from deploy.fake_tensorrt.device import DEVICE, Device, Task
from deploy.fake_tensorrt.graph import DYNAMIC, Graph, Profile, Tensor, unpack_plan
from deploy.fake_tensorrt.names import DataType, ILogger, Severity, TensorIOMode

State = tuple[int, dict[str, tuple[int, ...]], dict[str, int]]
"""Profile, shapes and addresses of a context."""


class ExecutionContext:
    """Checks every call of a run against what was called before."""

    def __init__(self, engine: CudaEngine, device: Device, logger: ILogger) -> None:
        self._engine, self._device, self._logger = engine, device, logger
        self._profile = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._warm: State | None = None
        device.contexts.add(self)

    @property
    def active_optimization_profile(self) -> int:
        return self._profile

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        with self._device.lock:
            self._device.stream(stream_handle)
            self._device.no_capture_here("a change of profile")
            if not 0 <= profile_index < self._engine.num_optimization_profiles:
                return False
            self._profile, self._shapes = profile_index, {}
            return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        tensor = self._engine._tensors[name]
        if not tensor.is_input:
            raise self._device.refuse(f"input shape of {name}, which is an output")
        least, _, largest = self._engine.get_tensor_profile_shape(name, self._profile)
        if len(shape) != len(least) or any(
            not low <= length <= high for low, length, high in zip(least, shape, largest, strict=True)
        ):
            self._logger.log(
                Severity.ERROR, f"IExecutionContext::setInputShape: {name} {shape} not in profile"
            )
            return False
        self._shapes[name] = tuple(shape)
        return True

    def infer_shapes(self) -> list[str]:
        missing = [tensor.name for tensor in self._engine._graph.inputs if tensor.name not in self._shapes]
        if not missing:
            self._outputs()
        return missing

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        tensor = self._engine._tensors[name]
        if tensor.is_input:
            return self._shapes.get(name, tensor.shape)
        if len(self._shapes) < len(self._engine._graph.inputs):
            return tensor.shape
        return self._outputs()[name]

    def set_tensor_address(self, name: str, memory: int) -> bool:
        with self._device.lock:
            if name not in self._engine._tensors:
                raise self._device.refuse(f"address of {name}, which is no tensor")
            self._device.check_range(memory, 1, DEVICE)
            self._addresses[name] = int(memory)
            return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        with self._device.lock:
            device, stream = self._device, self._device.stream(stream_handle)
            shapes = self._checked_shapes()
            now = (self._profile, shapes, dict(self._addresses))
            if stream.capturing is not None and self._warm != now:
                raise device.refuse("capture before one eager run at these shapes and addresses")
            if device.failures.pop("execute_async_v3", ""):
                stream.invalidated = stream.capturing is not None
                self._logger.log(Severity.ERROR, "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime")
                return False
            if stream.capturing is None:
                device.eager_runs += 1
                self._warm = now
            device.submit(stream_handle, Task(lambda: self._run(now), lambda: self._check_current(now)))
            return True

    def _check_current(self, recorded: State) -> None:
        if recorded != (self._profile, self._all_shapes(), self._addresses):
            raise self._device.refuse("launch of a recording of other shapes or addresses (stale graph)")

    def _checked_shapes(self) -> dict[str, tuple[int, ...]]:
        device, shapes = self._device, self._all_shapes()
        unset = sorted(shapes.keys() - self._addresses.keys())
        if unset:
            raise device.refuse(f"run without addresses of {unset}")
        used = []
        for name, shape in shapes.items():
            size = _size_bytes(self._engine._tensors[name], shape)
            device.check_range(self._addresses[name], max(1, size), DEVICE)
            used.append((self._addresses[name], self._addresses[name] + size, name))
        used.sort()
        for (_, end, first), (start, _, second) in itertools.pairwise(used):
            if start < end:
                raise device.refuse(f"aliased memory of {first} and {second}")
        return shapes

    def _run(self, state: State) -> None:
        _, shapes, addresses = state
        graph, feeds = self._engine._graph, {}
        for name, shape in shapes.items():
            tensor = self._engine._tensors[name]
            size = _size_bytes(tensor, shape)
            self._device.check_range(addresses[name], max(1, size), DEVICE)
            if tensor.is_input:
                raw = ctypes.string_at(addresses[name], size)
                feeds[name] = np.frombuffer(raw, tensor.numpy).reshape(shape)
        for tensor, array in zip(graph.outputs, graph.run(feeds), strict=True):
            content = np.ascontiguousarray(array)
            ctypes.memmove(addresses[tensor.name], content.ctypes.data, content.nbytes)

    def _all_shapes(self) -> dict[str, tuple[int, ...]]:
        missing = [tensor.name for tensor in self._engine._graph.inputs if tensor.name not in self._shapes]
        if missing:
            raise self._device.refuse(f"run without shapes of {missing}")
        return {**self._shapes, **self._outputs()}

    def _outputs(self) -> dict[str, tuple[int, ...]]:
        graph = self._engine._graph
        try:
            shapes = graph.output_shapes(self._shapes)
        except RuntimeError as error:
            self._logger.log(Severity.ERROR, f"IExecutionContext::inferShapes: Error Code 7: {error}")
            raise RuntimeError("infer_shapes error code: -1") from None
        return {tensor.name: shape for tensor, shape in zip(graph.outputs, shapes, strict=True)}


class RtxExecutionContext(ExecutionContext):
    """What TensorRT for RTX has besides."""

    def is_stream_capturable(self, stream_handle: int) -> bool:
        with self._device.lock:
            self._device.stream(stream_handle)
            return not self._device.failures.pop("is_stream_capturable", "")


class CudaEngine:
    """A deserialised fake plan."""

    _context = ExecutionContext

    def __init__(self, graph: Graph, profiles: list[Profile], device: Device, logger: ILogger) -> None:
        self._graph, self._profiles = graph, profiles
        self._device, self._logger = device, logger
        self._tensors = {tensor.name: tensor for tensor in (*graph.inputs, *graph.outputs)}

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self._profiles))

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if self._tensors[name].is_input else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return self._tensors[name].dtype

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def is_shape_inference_io(self, name: str) -> bool:
        return name in self._graph.shape_inputs

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        tensor = self._tensors[name]
        if DYNAMIC not in tensor.shape:
            return [tensor.shape] * 3
        return list(self._profiles[profile_index][name])

    def create_execution_context(self) -> ExecutionContext | None:
        if self._device.failures.pop("create_execution_context", ""):
            self._logger.log(Severity.ERROR, "Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)")
            return None
        return self._context(self, self._device, self._logger)


class RtxCudaEngine(CudaEngine):
    """TensorRT for RTX's."""

    _context = RtxExecutionContext


class Runtime:
    """Deserialises fake plans of its own library and version."""

    _engine = CudaEngine
    _library, _version = "", ""
    _device: Device

    def __init__(self, logger: ILogger) -> None:
        if not isinstance(logger, ILogger):
            raise TypeError("__init__(): incompatible constructor arguments: expected ILogger")
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> CudaEngine | None:
        try:
            model, profiles = unpack_plan(bytes(serialized_engine), self._library, self._version)
        except ValueError as error:
            words = f"IRuntime::deserializeCudaEngine: Error Code 1: Serialization ({error})"
            self._logger.log(Severity.ERROR, words)
            return None
        return self._engine(Graph(model), profiles, self._device, self._logger)


def _size_bytes(tensor: Tensor, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * tensor.numpy.itemsize
