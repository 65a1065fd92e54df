"""Runs a model whose state goes round: one runner for each stream, over an engine that all share."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from reelwire.engines.backend import Array, Engine
from reelwire.errors import BadPayload
from reelwire.models.spec import ModelSpec


class Runnable(Protocol):
    """A model as far as a runner needs it."""

    @property
    def spec(self) -> ModelSpec:
        """What its inputs and outputs mean."""

    @property
    def engine(self) -> Engine:
        """What runs it."""


class StatefulRunner:
    """Carries one stream's recurrent state from run to run and fills in the constants.

    Works for any model: without states it is a plain run. Not safe for two threads at once.
    """

    def __init__(self, model: Runnable) -> None:
        self._spec = model.spec
        self._engine = model.engine
        self._stream = self._engine.stream({state.input: state.output for state in self._spec.states})
        self._started = False

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One step. ``inputs``: all but states and constants (constants may be overridden). Gives every
        output but the states.

        Raises as ``Engine.run``; ModelUnusable as well where a state's shape keeps changing.
        """
        feeds = {**self._spec.constants, **inputs}
        if self._spec.states and not self._started:
            sizes = self._sizes(feeds)
            self._stream.load({state.input: state.start(sizes) for state in self._spec.states})
            self._started = True
        return self._stream.step(feeds)

    def reset(self) -> None:
        """Back to a stream's start."""
        self._stream.load({})
        self._started = False

    def state(self) -> dict[str, Array]:
        """The state by input name; empty before the first run."""
        return self._stream.state()

    def load(self, state: Mapping[str, Array]) -> None:
        """Goes on from ``state()``. BadPayload: not this model's."""
        expected = {spec.input: spec for spec in self._spec.states}
        if state and state.keys() != expected.keys():
            raise BadPayload(f"state holds {sorted(state)}, expected {sorted(expected)}")
        for name, array in state.items():
            if str(array.dtype) != expected[name].dtype or array.ndim != len(expected[name].dims):
                raise BadPayload(f'state "{name}" is {array.dtype} {list(array.shape)}', field=name)
        self._stream.load(state)
        self._started = bool(state)

    def close(self) -> None:
        """Frees what the engine keeps for this stream. May be called twice."""
        self._stream.close()

    def _sizes(self, feeds: Mapping[str, Array]) -> dict[str, int]:
        """Lengths by symbol: the graph's own names, N, and the picture's H and W."""
        sizes: dict[str, int] = {}
        states = {state.input for state in self._spec.states}
        leading = 0
        for tensor in self._engine.inputs:
            if tensor.name in states:
                continue
            shape = feeds[tensor.name].shape if tensor.name in feeds else ()
            for dim, length in zip(tensor.shape, shape, strict=False):
                if isinstance(dim, str):
                    sizes.setdefault(dim, length)
            if shape and not leading and tensor.name not in self._spec.constants:
                leading = shape[0]
        sizes["N"] = leading or 1
        picture = self._spec.image_input
        if picture is not None:
            sizes["H"], sizes["W"] = picture.size_of(feeds[picture.name].shape)
        return sizes


def pack_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Arrays → bytes in NumPy's own .npz format; never pickles."""
    buffer = io.BytesIO()
    np.savez(buffer, **{f"array {name}": array for name, array in arrays.items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack_arrays(data: bytes) -> dict[str, Array]:
    """What ``pack_arrays`` made. Never unpickles. BadPayload: not such bytes."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name.removeprefix("array "): archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, AttributeError, TypeError):
        raise BadPayload("the saved state is damaged or not one; start the stream again") from None
