"""One stream's runs on the GPU: own context, own CUDA stream, own memory. Its state stays on the device."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reelwire.engines.backend import Array, TensorSpec, check_inputs
from reelwire.engines.tensorrt.binding import Binding, free_all
from reelwire.engines.tensorrt.buffers import Buffer
from reelwire.engines.tensorrt.cuda import Cuda, CudaFailed
from reelwire.engines.tensorrt.loaded import LoadedPlan, Shapes
from reelwire.errors import BadPayload, ModelUnusable

log = logging.getLogger(__name__)


class TensorRtStream:
    """See ``EngineStream``. After a failed CUDA call nothing but ``close`` works."""

    def __init__(self, plan: LoadedPlan, cuda: Cuda, states: Mapping[str, str]) -> None:
        """``states``: recurrent inputs and the outputs that go back into them. ModelUnusable: they are not
        the plan's or of two types, or the GPU has no room."""
        self._plan, self._cuda, self._states = plan, cuda, dict(states)
        self._specs = _state_specs(plan, self._states)
        self._state: dict[str, Buffer] = {}
        self._known = self._settled = self._closed = False
        self._failure = ""
        try:
            self._stream = cuda.new_stream()
        except CudaFailed as error:
            raise ModelUnusable(str(error)) from None
        try:
            self._context: Any = plan.new_context()
        except BaseException:
            cuda.end_stream(self._stream)
            raise
        self._binding = Binding(plan, cuda, self._context, self._stream)

    @property
    def captures(self) -> int:
        """Runs recorded as CUDA graphs so far: one for each set of shapes that ran twice."""
        return self._binding.captures

    @property
    def shapes(self) -> Shapes:
        """That it has memory for now, by input."""
        return self._binding.shapes

    @property
    def closed(self) -> bool:
        """It holds nothing any more."""
        return self._closed

    @property
    def failed(self) -> bool:
        """Nothing but ``close`` works."""
        return bool(self._failure)

    def step(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See ``EngineStream``."""
        with self._working():
            own = {name: array for name, array in feeds.items() if name not in self._states}
            held = {name: buffer.host for name, buffer in self._state.items()} if self._known else {}
            check_inputs(self._plan.inputs, {**own, **held})
            shapes = {name: array.shape for name, array in {**own, **held}.items()}
            if shapes != self._binding.shapes:
                self._binding.bind(shapes, self._state, self._states)
            grown = self._growing()
            outputs = self._binding.run(own)
            self._settled = True
            if grown:
                self._grow(grown)
            return outputs

    def state(self) -> dict[str, Array]:
        """See ``EngineStream``."""
        with self._working():
            if not self._known:
                return {}
            for buffer in self._state.values():
                buffer.download(self._stream)
            self._cuda.wait(self._stream)
            return {name: buffer.read() for name, buffer in self._state.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """See ``EngineStream``. BadPayload: not this model's state."""
        with self._working():
            self._known = self._settled = False
            if not state:
                return
            if state.keys() != self._specs.keys():
                raise BadPayload(f"state holds {sorted(state)}, expected {sorted(self._specs)}")
            for name, array in state.items():
                if str(array.dtype) != self._specs[name].dtype:
                    raise BadPayload(
                        f'state "{name}" is {array.dtype}, expected {self._specs[name].dtype}', field=name
                    )
            self._make_room({name: array.shape for name, array in state.items()})
            for name, array in state.items():
                self._state[name].write(array)
                self._state[name].upload(self._stream)
            self._cuda.wait(self._stream)
            self._known = True

    def close(self) -> None:
        """See ``EngineStream``. Frees all that can be freed, whatever failed before."""
        if self._closed:
            return
        self._closed = True
        state, self._state = list(self._state.values()), {}
        self._attempt(lambda: self._cuda.wait(self._stream))
        self._attempt(self._binding.release)
        self._attempt(lambda: free_all(state))
        self._context = None
        self._binding.forget_context()
        self._attempt(lambda: self._cuda.end_stream(self._stream))

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        if self._closed:
            raise ModelUnusable("the engine's stream is closed; start a new one")
        if self._failure:
            raise ModelUnusable(f"the engine's stream failed before ({self._failure}); start a new one")
        try:
            yield
        except CudaFailed as error:
            self._failure = str(error)
            raise ModelUnusable(self._failure) from None

    def _attempt(self, free: Callable[[], None]) -> None:
        try:
            free()
        except CudaFailed as error:
            log.warning("while a stream's memory on the GPU was freed: %s", error)

    def _make_room(self, shapes: Shapes) -> None:
        """Memory for states of these shapes; what has the right shape stays where it is, so that a recording
        stays true."""
        kept = {name: buffer for name, buffer in self._state.items() if buffer.shape == tuple(shapes[name])}
        if len(kept) == len(shapes):
            return
        self._binding.release()
        stale = [buffer for name, buffer in self._state.items() if name not in kept]
        self._state = kept
        free_all(stale)
        for name, shape in shapes.items():
            if name not in kept:
                self._state[name] = Buffer(self._cuda, tuple(shape), self._specs[name].dtype)

    def _growing(self) -> dict[str, Buffer]:
        """Outputs of another shape than the state they go back into: small states are spread over the picture
        on the first run; one that goes on growing would have no bound."""
        grown = {}
        for name, output in self._states.items():
            got = self._binding.output(output)
            if got.shape == self._state[name].shape:
                continue
            if self._settled:
                raise ModelUnusable(
                    f'state "{name}" grew from {list(self._state[name].shape)} to {list(got.shape)}; '
                    "expected one shape for a whole stream",
                    field=name,
                )
            grown[name] = got
        return grown

    def _grow(self, grown: Mapping[str, Buffer]) -> None:
        """Puts them in the places of the small ones; the next run is bound to the new places."""
        larger: dict[str, Buffer] = {}
        try:
            for name, output in grown.items():
                larger[name] = Buffer(self._cuda, output.shape, self._specs[name].dtype)
                larger[name].copy_from(output, self._stream)
            self._cuda.wait(self._stream)
        except BaseException:
            free_all(list(larger.values()))
            raise
        self._binding.release()
        small = [self._state[name] for name in larger]
        self._state.update(larger)
        free_all(small)


def _state_specs(plan: LoadedPlan, states: Mapping[str, str]) -> dict[str, TensorSpec]:
    """ModelUnusable: a pair that is not the plan's, or of two types."""
    inputs = {spec.name: spec for spec in plan.inputs}
    outputs = {spec.name: spec for spec in plan.outputs}
    for given, output in states.items():
        if given not in inputs or output not in outputs:
            raise ModelUnusable(f'the graph has no state "{given}" with output "{output}"', field=given)
        if inputs[given].dtype != outputs[output].dtype:
            raise ModelUnusable(f"state {inputs[given]} comes back as {outputs[output]}", field=given)
    return {name: inputs[name] for name in states}
