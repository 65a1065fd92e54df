"""Sees what event loops do themselves: work of stages, and touching payloads larger than 64 KiB.

gRPC's own copies, of whole messages into its slices and out of them, are not seen: they are made by its
transport, on messages that this guard does not watch.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import FrameType
from typing import Any

from reelwire.media import Chunk, ContainerBytes, Frames, Packets, PayloadKind, Sound, Tensor
from reelwire.server import Service, UnaryCall
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, Stage, StageFactory
from reelwire.wire import RawChunk
from tests.contracts.watched_memory import WatchedMemory

STACK_LINES = 6
GOES_TO_FILES = (PayloadKind.CONTAINER_BYTES, PayloadKind.PACKETS)


class LoopGuard:
    """``with LoopGuard() as guard``; afterwards ``found`` must be empty. ``touches``: how often a watched
    payload was touched elsewhere; ``calls``: what ran and is not to run on a loop."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.touches = 0
        self.calls: set[str] = set()
        self._here = threading.local()
        self._undo: list[Callable[[], None]] = []
        self._memory = WatchedMemory(self._on_touch)

    def __enter__(self) -> LoopGuard:
        self._memory.__enter__()
        self._patch(asyncio.Handle, "_run", self._callback)
        self._patch(RawChunk, "__init__", self._arriving)
        return self

    def __exit__(self, *_: object) -> None:
        while self._undo:
            self._undo.pop()()
        self._memory.__exit__()

    def watch(self, chunk: Chunk) -> Chunk:
        """The same chunk; its payload tells who touches it."""
        match chunk.payload:
            case Frames(pixels=buffer) | Sound(samples=buffer) | Tensor(array=buffer):
                self._memory.watch(buffer)
            case ContainerBytes(data=buffer):
                self._memory.watch(buffer)
            case Packets(packets=packets):
                for packet in packets:
                    self._memory.watch(packet.data)
        return chunk

    def watch_bytes(self, data: bytes) -> bytes:
        """The same bytes, watched. Not for what goes to a file."""
        self._memory.watch(data)
        return data

    def never_on_loop(self, owner: Any, *names: str) -> None:
        """These functions of a class or module must be called on other threads only."""
        for name in names:
            what = f"{getattr(owner, '__name__', owner)}.{name}"
            self._patch(owner, name, functools.partial(self._checking, what))

    def service(self, service: Service) -> Service:
        """The same service under the guard's eyes."""

        def calls(factory: StageFactory, settings: Settings) -> tuple[UnaryCall, ...]:
            assert isinstance(factory, GuardedFactory)
            return tuple(self._call(call) for call in service.calls(factory.inner, settings))

        return Service(lambda settings: GuardedFactory(service.make_factory(settings), self), calls)

    def factory(self, factory: StageFactory) -> StageFactory:
        """The same factory under the guard's eyes."""
        return GuardedFactory(factory, self)

    def check(self, what: str) -> None:
        """``what`` happens here and now."""
        self.calls.add(what)
        if self._on_loop:
            self.found.append(f"{what} ran on an event loop")

    @property
    def _on_loop(self) -> bool:
        return getattr(self._here, "depth", 0) > 0

    def _patch(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        real = getattr(owner, name)
        setattr(owner, name, wrap(real))
        self._undo.append(lambda: setattr(owner, name, real))

    def _callback(self, real: Callable[[Any], None]) -> Callable[[Any], None]:
        def run(handle: Any) -> None:
            self._memory.arm()
            self._here.depth = getattr(self._here, "depth", 0) + 1
            try:
                real(handle)
            finally:
                self._here.depth -= 1

        return run

    def _arriving(self, real: Callable[..., None]) -> Callable[..., None]:
        def init(raw: RawChunk, *arguments: Any, **named: Any) -> None:
            real(raw, *arguments, **named)
            if raw.payload.obj is raw.message and raw.header.kind not in GOES_TO_FILES:
                raw.payload = memoryview(bytes(raw.payload))  # apart: gRPC may be given the message again
                self._memory.watch(raw.payload)

        return init

    def _checking(self, what: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*arguments: Any, **named: Any) -> Any:
            self.check(what)
            return real(*arguments, **named)

        return call

    def _call(self, call: UnaryCall) -> UnaryCall:
        return call if call.streams_in else replace(call, answer=self._checking(call.name, call.answer))

    def _on_touch(self, frame: FrameType | None) -> None:
        if not self._on_loop:
            self.touches += 1
            return
        lines = []
        while frame is not None and len(lines) < STACK_LINES:
            code = frame.f_code
            lines.append(f"{code.co_filename}:{frame.f_lineno} {code.co_name}")
            frame = frame.f_back
        self.found.append("a payload was touched on an event loop by " + " < ".join(lines))


class GuardedFactory:
    """Checks where a factory and its stages work; watches what they give."""

    def __init__(self, inner: StageFactory, guard: LoopGuard) -> None:
        self.inner = inner
        self.name = inner.name
        self._guard = guard

    def open(self, opening: Opening) -> Opened:
        self._guard.check(f"{self.name}.open")
        opened = self.inner.open(opening)
        return replace(opened, stage=_GuardedStage(opened.stage, self.name, self._guard))

    def close(self) -> None:
        self.inner.close()


class _GuardedStage:
    def __init__(self, inner: Stage, name: str, guard: LoopGuard) -> None:
        self._inner, self._name, self._guard = inner, name, guard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # what only sources have

    def feed(self, chunk: Chunk) -> Iterator[Chunk]:
        return self._work("feed", lambda: self._inner.feed(chunk))

    def flush(self) -> Iterator[Chunk]:
        return self._work("flush", self._inner.flush)

    def _work(self, call: str, begin: Callable[[], Iterable[Chunk]]) -> Iterator[Chunk]:
        what = f"{self._name}.{call}"
        self._guard.check(what)
        for chunk in begin():
            self._guard.check(what)
            yield self._guard.watch(chunk)
            self._guard.check(what)

    def control(self, control: Any) -> None:
        self._guard.check(f"{self._name}.control")
        self._inner.control(control)

    def gap(self, dropped: Any) -> None:
        self._guard.check(f"{self._name}.gap")
        self._inner.gap(dropped)

    def snapshot(self) -> bytes | None:
        self._guard.check(f"{self._name}.snapshot")
        return self._inner.snapshot()

    def restore(self, state: bytes) -> None:
        self._guard.check(f"{self._name}.restore")
        self._inner.restore(state)

    def close(self) -> None:
        self._guard.check(f"{self._name}.close")
        self._inner.close()
