"""One context at one set of shapes: its memory, and the work of one run, recorded after the first.

TensorRT must have run once at a set of shapes before that may be recorded (it may still allocate), and a
recording holds for these shapes and addresses alone:
https://docs.nvidia.com/deeplearning/tensorrt/latest/performance/best-practices.html#cuda-graphs
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from reelwire.engines.backend import Array
from reelwire.engines.tensorrt.buffers import Buffer
from reelwire.engines.tensorrt.cuda import Cuda, CudaFailed
from reelwire.engines.tensorrt.loaded import LoadedPlan, Shapes
from reelwire.errors import ModelUnusable, OutsideShapeProfile

log = logging.getLogger(__name__)


class Binding:
    """``state``: memory of the recurrent inputs, the stream's own; ``following``: each one's output. Inputs
    that are no state, and all outputs, have memory here."""

    def __init__(self, plan: LoadedPlan, cuda: Cuda, context: Any, stream: Any) -> None:
        """Holds nothing before ``bind``. ``context`` and ``stream``: one stream's own."""
        self._plan, self._cuda, self._context, self._stream = plan, cuda, context, stream
        self.shapes: Shapes = {}
        self.captures = 0
        self._fed: dict[str, Buffer] = {}
        self._given: dict[str, Buffer] = {}
        self._carried: list[tuple[Buffer, Buffer]] = []
        self._inner: frozenset[str] = frozenset()
        self._graph: Any = None
        self._warm = False
        self._recordable = True

    def bind(self, shapes: Shapes, state: Mapping[str, Buffer], following: Mapping[str, str]) -> None:
        """Sets the context to these input shapes, with memory for all. OutsideShapeProfile: it does not take
        them. CudaFailed: no memory. Nothing is held after an error."""
        self.release()
        try:
            self._set_shapes(shapes)
            for spec in self._plan.inputs:
                if spec.name not in state:
                    self._fed[spec.name] = Buffer(self._cuda, shapes[spec.name], spec.dtype)
            self._inner = frozenset(following.values())
            for spec in self._plan.outputs:
                shape = self._output_shape(spec.name)
                twin = spec.name not in self._inner
                self._given[spec.name] = Buffer(self._cuda, shape, spec.dtype, twin=twin)
            for name, buffer in {**self._fed, **state, **self._given}.items():
                if not self._context.set_tensor_address(name, buffer.device):
                    raise CudaFailed(f'TensorRT refuses memory for "{name}": {self._plan.last_error()}')
        except BaseException:
            self.release()
            raise
        pairs = [(state[given], self._given[output]) for given, output in following.items()]
        self._carried = [(to, source) for to, source in pairs if to.shape == source.shape]
        self.shapes = dict(shapes)

    def output(self, name: str) -> Buffer:
        """An output's memory."""
        return self._given[name]

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """One run, waited for. Carries each state whose shape stays on to its input, on the device. Gives the
        outputs that are no state, in arrays of the caller's own."""
        for name, buffer in self._fed.items():
            buffer.write(feeds[name])
        if self._warm and self._recordable and self._graph is None:
            self._capture()
        if self._graph is not None:
            self._cuda.launch(self._graph, self._stream)
        else:
            self._enqueue()
        self._cuda.wait(self._stream)
        self._warm = True
        return {name: buffer.read() for name, buffer in self._given.items() if name not in self._inner}

    def release(self) -> None:
        """Frees recording and memory; nothing may be under way."""
        graph, self._graph = self._graph, None
        buffers = [*self._fed.values(), *self._given.values()]
        self._fed, self._given, self._carried, self.shapes = {}, {}, [], {}
        self._warm, self._recordable = False, True
        try:
            if graph is not None:
                self._cuda.end_graph(graph)
        finally:
            free_all(buffers)

    def forget_context(self) -> None:
        """Lets go of the context, which lives as long as something refers to it. Last of all calls."""
        self._context = None

    def _set_shapes(self, shapes: Shapes) -> None:
        profile = self._plan.profile_for(shapes)
        if self._context.active_optimization_profile != profile:
            if not self._context.set_optimization_profile_async(profile, int(self._stream)):
                raise CudaFailed(f"TensorRT refuses profile {profile}: {self._plan.last_error()}")
            self._cuda.wait(self._stream)
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise self._refusal(shapes, self._plan.last_error())
        try:
            unknown = self._context.infer_shapes()
        except RuntimeError as error:  # shapes that do not go together
            raise self._refusal(
                shapes, f"{' '.join(str(error).split())}: {self._plan.last_error()}"
            ) from None
        if unknown:
            raise ModelUnusable(f"TensorRT lacks the shapes of {list(unknown)}; fix: export the model again")

    def _output_shape(self, name: str) -> tuple[int, ...]:
        shape = tuple(self._context.get_tensor_shape(name))
        if any(length < 0 for length in shape):
            raise ModelUnusable(
                f'the shape of output "{name}" depends on values ({list(shape)}); fix: export the model '
                "without such an output",
                field=name,
            )
        return shape

    def _refusal(self, shapes: Shapes, why: str) -> OutsideShapeProfile:
        told = ", ".join(f'"{name}" {list(shape)}' for name, shape in shapes.items())
        return OutsideShapeProfile(f"the model does not take {told}: {why}")

    def _enqueue(self) -> None:
        for buffer in self._fed.values():
            buffer.upload(self._stream)
        if not self._context.execute_async_v3(int(self._stream)):
            raise CudaFailed(f"TensorRT failed to run: {self._plan.last_error()}")
        for to, source in self._carried:
            to.copy_from(source, self._stream)
        for name, buffer in self._given.items():
            if name not in self._inner:
                buffer.download(self._stream)

    def _capture(self) -> None:
        """Records one run; nothing of it happens yet. What cannot be recorded goes on unrecorded."""
        capturable = getattr(self._context, "is_stream_capturable", None)  # TensorRT for RTX alone can tell
        if capturable is not None and not capturable(int(self._stream)):
            self._unrecordable("its kernels at this size do not allow it")
            return
        self._cuda.begin_capture(self._stream)
        try:
            self._enqueue()
        except CudaFailed as error:
            self._cuda.give_up_capture(self._stream)
            self._unrecordable(str(error))
            return
        except BaseException:
            self._cuda.give_up_capture(self._stream)
            raise
        try:
            self._graph = self._cuda.end_capture(self._stream)
        except CudaFailed as error:
            self._unrecordable(str(error))
            return
        self.captures += 1

    def _unrecordable(self, why: str) -> None:
        self._recordable = False
        log.warning("runs are not recorded as a CUDA graph: %s", why)


def free_all(buffers: list[Buffer]) -> None:
    """Frees each, also after one of them failed to; then raises the first failure."""
    failures = []
    for buffer in buffers:
        try:
            buffer.free()
        except CudaFailed as error:
            failures.append(error)
    if failures:
        raise failures[0]
