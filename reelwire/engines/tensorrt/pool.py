"""Streams without state that runs borrow: a bounded number, each used by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reelwire.engines.tensorrt.loaded import Shapes
from reelwire.engines.tensorrt.stream import TensorRtStream
from reelwire.errors import ModelUnusable, Stalled

RUNS_AT_ONCE = 4
"""More only wait for one another on one GPU, and each holds memory."""
MAX_WAIT_S = 60.0
"""For one of them to be given back."""


class StreamPool:
    """Makes streams as they are needed, ``RUNS_AT_ONCE`` at most. Safe for many threads."""

    def __init__(self, make: Callable[[], TensorRtStream]) -> None:
        self._make = make
        self._room = threading.BoundedSemaphore(RUNS_AT_ONCE)
        self._lock = threading.Lock()
        self._idle: list[TensorRtStream] = []
        self._closed = False

    @contextmanager
    def borrowed(self, shapes: Shapes) -> Iterator[TensorRtStream]:
        """One that nobody else uses, if possible one that is set to these shapes. One that failed is closed
        and replaced. Stalled: all were taken for ``MAX_WAIT_S``."""
        if not self._room.acquire(timeout=MAX_WAIT_S):
            raise Stalled(f"{RUNS_AT_ONCE} runs on the GPU have not ended for {MAX_WAIT_S:g} s")
        try:
            stream = self._take(shapes) or self._make()
            try:
                yield stream
            finally:
                self._give_back(stream)
        finally:
            self._room.release()

    def close(self) -> None:
        """Closes those that are idle; one that is still out is closed when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for stream in idle:
            stream.close()

    def _take(self, shapes: Shapes) -> TensorRtStream | None:
        with self._lock:
            if self._closed:
                raise ModelUnusable("the engine is closed")
            if not self._idle:
                return None
            stream = next((each for each in self._idle if each.shapes == shapes), self._idle[0])
            self._idle.remove(stream)
            return stream

    def _give_back(self, stream: TensorRtStream) -> None:
        with self._lock:
            keep = not (self._closed or stream.failed)
            if keep:
                self._idle.append(stream)
        if not keep:
            stream.close()
