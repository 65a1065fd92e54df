"""Faults planted in the engine, the check that catches each, and what it then says.

| fault | check in seam.py | caught with |
|---|---|---|
| wrong buffer size | stateless_runs_are_those_of_onnx_runtime | out of bounds |
| stale graph after a shape change | each_new_shape_runs_once_and_is_recorded_anew | after free |
| missing state copy | sixty_recurrent_steps_are_those_of_onnx_runtime | Arrays are not equal |
| state copied only once | sixty_recurrent_steps_are_those_of_onnx_runtime | Arrays are not equal |
| state not loaded | a_state_moves_to_another_stream_and_goes_on | nan location mismatch |
| default stream | stateless_runs_are_those_of_onnx_runtime | work on the default stream |
| stream that waits for the default one | stateless_runs_are_those_of_onnx_runtime | the default stream |
| capture before an eager run | stateless_runs_are_those_of_onnx_runtime | before one eager run |
| capture that concerns other threads | stateless_runs_are_those_of_onnx_runtime | concerns other threads |
| synchronise during capture | stateless_runs_are_those_of_onnx_runtime | synchronize during capture |
| no synchronise before reading outputs | stateless_runs_are_those_of_onnx_runtime | nan location mismatch |
| outputs handed out without a copy | outputs_are_the_callers_own | Arrays are not equal |
| leaked context | closing_frees_everything | leaked an execution context |
| leaked buffer | closing_frees_everything | leaked 4608 bytes of device memory |
| leaked recording | each_new_shape_runs_once_and_is_recorded_anew | leaked recording |
| leaked graph | stateless_runs_are_those_of_onnx_runtime | leaked graph |
| leaked CUDA stream | closing_frees_everything | leaked stream |
| freed twice | closing_frees_everything | freed twice |
| aliased buffers | each_new_shape_runs_once_and_is_recorded_anew | aliased memory |
| pageable host memory | stateless_runs_are_those_of_onnx_runtime | use of pinned host memory |
| profile never changed | the_profile_that_fits_is_taken | not in profile |
| stream used after a failed call | a_failed_call_names_itself_and_ends_the_stream | DID NOT RAISE |
| status of CUDA not looked at | a_failed_call_names_itself_and_ends_the_stream | DID NOT RAISE |
| plan for another model | a_plan_of_another_model_is_refused | DID NOT RAISE |
| plan kept without the model's hash | the_plan_of_a_changed_graph_is_not_found | DID NOT RAISE |
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwire.engines.tensorrt import backend, binding
from reelwire.engines.tensorrt.binding import Binding
from reelwire.engines.tensorrt.buffers import Buffer
from reelwire.engines.tensorrt.cuda import Cuda, CudaFailed
from reelwire.engines.tensorrt.loaded import LoadedPlan
from reelwire.engines.tensorrt.stream import TensorRtStream
from reelwire.errors import ModelUnusable, ReelwireError
from tests.reelwire.engines.tensorrt.seam import CHECKS, Seam

Patch = pytest.MonkeyPatch
FAULTS: dict[str, tuple[str, str, Callable[[Patch], None]]] = {}
STATELESS = "stateless_runs_are_those_of_onnx_runtime"
RECURRENT = "sixty_recurrent_steps_are_those_of_onnx_runtime"
RESHAPED = "each_new_shape_runs_once_and_is_recorded_anew"
MOVED = "a_state_moves_to_another_stream_and_goes_on"
CLOSED = "closing_frees_everything"
FAILED_CALL = "a_failed_call_names_itself_and_ends_the_stream"


def fault(name: str, check: str, words: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Lists it with the check that must catch it, and how."""

    def listed(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        FAULTS[name] = (check, words, plant)
        return plant

    return listed


def cuda_call(patch: Patch, name: str, instead: Callable[..., Any]) -> None:
    """``instead(real, *arguments)`` is called for this one CUDA call."""
    real = Cuda.call

    def call(self: Cuda, called: str, *arguments: Any) -> Any:
        if called == name:
            return instead(lambda *given: real(self, called, *given), *arguments)
        return real(self, called, *arguments)

    patch.setattr(Cuda, "call", call)


@fault("wrong buffer size", STATELESS, "out of bounds")
def _(patch: Patch) -> None:
    cuda_call(patch, "cudaMalloc", lambda real, size: real(max(1, size // 2)))


@fault("stale graph after a shape change", RESHAPED, "after free")
def _(patch: Patch) -> None:
    release = Binding.release

    def keeping(self: Binding) -> None:
        graph, self._graph = self._graph, None
        release(self)
        self._graph = graph

    patch.setattr(Binding, "release", keeping)


@fault("missing state copy", RECURRENT, "Arrays are not equal")
def _(patch: Patch) -> None:
    patch.setattr(Buffer, "copy_from", lambda self, other, stream: None)


@fault("state copied only once", RECURRENT, "Arrays are not equal")
def _(patch: Patch) -> None:
    run = Binding.run

    def once(self: Binding, feeds: Any) -> Any:
        given = run(self, feeds)
        self._carried = []
        return given

    patch.setattr(Binding, "run", once)


@fault("state not loaded", MOVED, "nan location mismatch")
def _(patch: Patch) -> None:
    def load(self: TensorRtStream, state: Any) -> None:
        self._make_room({name: array.shape for name, array in state.items()})
        self._known = True

    patch.setattr(TensorRtStream, "load", load)


@fault("default stream", STATELESS, "work on the default stream")
def _(patch: Patch) -> None:
    patch.setattr(Cuda, "new_stream", lambda self: 0)


@fault("stream that waits for the default one", STATELESS, "the default stream")
def _(patch: Patch) -> None:
    patch.setattr("reelwire.engines.tensorrt.cuda.NON_BLOCKING", 0)


@fault("capture before an eager run", STATELESS, "before one eager run")
def _(patch: Patch) -> None:
    bind = Binding.bind

    def warm(self: Binding, *arguments: Any) -> None:
        bind(self, *arguments)
        self._warm = True

    patch.setattr(Binding, "bind", warm)


@fault("capture that concerns other threads", STATELESS, "concerns other threads")
def _(patch: Patch) -> None:
    cuda_call(patch, "cudaStreamBeginCapture", lambda real, stream, mode: real(stream, 0))


@fault("synchronise during capture", STATELESS, "synchronize during capture")
def _(patch: Patch) -> None:
    enqueue = Binding._enqueue

    def waiting(self: Binding) -> None:
        enqueue(self)
        self._cuda.wait(self._stream)

    patch.setattr(Binding, "_enqueue", waiting)


@fault("no synchronise before reading outputs", STATELESS, "nan location mismatch")
def _(patch: Patch) -> None:
    patch.setattr(Cuda, "wait", lambda self, stream: None)


@fault("outputs handed out without a copy", "outputs_are_the_callers_own", "Arrays are not equal")
def _(patch: Patch) -> None:
    patch.setattr(Buffer, "read", lambda self: self.host)


@fault("leaked context", CLOSED, "leaked an execution context")
def _(patch: Patch) -> None:
    close, kept = TensorRtStream.close, []

    def leaking(self: TensorRtStream) -> None:
        kept.append(self._context)
        close(self)

    patch.setattr(TensorRtStream, "close", leaking)


@fault("leaked buffer", CLOSED, "leaked 4608 bytes of device memory")
def _(patch: Patch) -> None:
    patch.setattr(binding, "free_all", lambda buffers: [buffer.free() for buffer in buffers[1:]])


@fault("leaked recording", RESHAPED, "leaked recording")
def _(patch: Patch) -> None:
    patch.setattr(Cuda, "end_graph", lambda self, graph: None)


@fault("leaked graph", STATELESS, "leaked graph")
def _(patch: Patch) -> None:
    cuda_call(patch, "cudaGraphDestroy", lambda real, graph: None)


@fault("leaked CUDA stream", CLOSED, "leaked stream")
def _(patch: Patch) -> None:
    patch.setattr(Cuda, "end_stream", lambda self, stream: None)


@fault("freed twice", CLOSED, "freed twice")
def _(patch: Patch) -> None:
    def twice(real: Any, address: int) -> None:
        real(address)
        real(address)

    cuda_call(patch, "cudaFree", twice)


@fault("aliased buffers", RESHAPED, "aliased memory")
def _(patch: Patch) -> None:
    set_up = Buffer.__init__
    first: list[int] = []

    def aliased(self: Buffer, *arguments: Any, **named: Any) -> None:
        set_up(self, *arguments, **named)
        first.append(self.device)
        self.device = first[0]

    patch.setattr(Buffer, "__init__", aliased)


@fault("pageable host memory", STATELESS, "use of pinned host memory")
def _(patch: Patch) -> None:
    kept = []

    def pageable(real: Any, size: int) -> int:
        kept.append(np.zeros(size, np.uint8))
        return int(kept[-1].ctypes.data)

    cuda_call(patch, "cudaMallocHost", pageable)


@fault("profile never changed", "the_profile_that_fits_is_taken", "not in profile")
def _(patch: Patch) -> None:
    patch.setattr(LoadedPlan, "profile_for", lambda self, shapes: 0)


@fault("stream used after a failed call", FAILED_CALL, "DID NOT RAISE")
def _(patch: Patch) -> None:
    @contextlib.contextmanager
    def forgetting(self: TensorRtStream) -> Iterator[None]:
        try:
            yield
        except CudaFailed as error:
            raise ModelUnusable(str(error)) from None

    patch.setattr(TensorRtStream, "_working", forgetting)


@fault("status of CUDA not looked at", FAILED_CALL, "DID NOT RAISE")
def _(patch: Patch) -> None:
    def call(self: Cuda, name: str, *arguments: Any) -> Any:
        _, *results = getattr(self._cudart, name)(*arguments)
        return results[0] if results else None

    patch.setattr(Cuda, "call", call)


@fault("plan for another model", "a_plan_of_another_model_is_refused", "DID NOT RAISE")
def _(patch: Patch) -> None:
    patch.setattr(LoadedPlan, "_check", lambda self, trt: None)


@fault("plan kept without the model's hash", "the_plan_of_a_changed_graph_is_not_found", "DID NOT RAISE")
def _(patch: Patch) -> None:
    key = backend.plan_key

    def hashless(*arguments: Any) -> Any:
        return dataclasses.replace(key(*arguments), sha256="")

    patch.setattr(backend, "plan_key", hashless)
    patch.setattr("tests.reelwire.engines.tensorrt.seam.plan_key", hashless)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    check, words, plant = FAULTS[name]
    plant(monkeypatch)
    caught: BaseException | None = None
    try:
        CHECKS[check](Seam(tmp_path))
    except (AssertionError, ReelwireError, pytest.fail.Exception) as error:
        caught = error
    assert caught is not None, f"{check} lets the fault pass: {name}"
    assert words in str(caught)


def test_each_fault_stands_in_the_table_with_its_check() -> None:
    table = sys.modules[__name__].__doc__ or ""
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines() if line[:1] == "|"]
    assert rows[2:] == [[name, check, words] for name, (check, words, _) in FAULTS.items()]
