"""The fake GPU: guarded, poisoned memory, streams that do nothing before they are waited for, and a book of
all that was made and not freed.

It is stricter than a real GPU on purpose: whatever CUDA leaves undefined, it refuses (``ContractBroken``),
and work is done as late as the rules allow, so that what was not waited for is visibly not there.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GUARD_BYTES = 64
GUARD = b"\xa5" * GUARD_BYTES
POISON = 0xFF
"""All bits set are NaN in each floating type."""
DEVICE, HOST = "device", "pinned host"
TOTAL_BYTES = 8 << 30
QUARANTINE_BLOCKS = 256
"""Freed memory that is not given out again yet, so that its late use is never taken for another's."""


class ContractBroken(AssertionError):
    """Something that a real GPU answers with undefined behaviour."""


@dataclass(slots=True)
class Block:
    """One allocation."""

    address: int
    size_bytes: int
    kind: str
    raw: Any


@dataclass(slots=True)
class Task:
    """One queued operation. ``announce``: what happens the moment it is queued or launched."""

    work: Callable[[], None]
    announce: Callable[[], None]


@dataclass(slots=True)
class FakeStream:
    """``capturing``: what is recorded instead of queued, and by which thread."""

    handle: int
    queue: list[Task] = field(default_factory=list)
    capturing: list[Task] | None = None
    capturing_thread: int = 0
    invalidated: bool = False


class Device:
    """All state of the fake. Safe for many threads.

    ``failures``: names of calls that fail next, with CUDA's name of the error. ``launches``, ``eager_runs``,
    ``largest_bytes``: what happened, for tests and reports.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.blocks: dict[int, Block] = {}
        self.streams: dict[int, FakeStream] = {}
        self.graphs: set[int] = set()
        self.recordings: dict[int, list[Task]] = {}
        self.contexts: weakref.WeakSet[Any] = weakref.WeakSet()
        self.failures: dict[str, str] = {}
        self.broken: list[str] = []
        self.launches = self.eager_runs = self.largest_bytes = 0
        self._next_handle = 0x1000
        self._quarantine: deque[Block] = deque(maxlen=QUARANTINE_BLOCKS)

    def refuse(self, words: str) -> ContractBroken:
        """Kept too, so that it is found even where somebody swallows it."""
        self.broken.append(words)
        return ContractBroken(words)

    def new_handle(self) -> int:
        """A number that was never given before."""
        self._next_handle += 0x10
        return self._next_handle

    def allocate(self, size_bytes: int, kind: str) -> int:
        """An address; the memory is NaN, between guards."""
        with self.lock:
            self.no_capture_here("an allocation")
            if size_bytes <= 0:
                raise self.refuse(f"allocation of {size_bytes} bytes")
            raw = (ctypes.c_ubyte * (size_bytes + 2 * GUARD_BYTES)).from_buffer(
                bytearray(GUARD + bytes([POISON]) * size_bytes + GUARD)
            )
            address = ctypes.addressof(raw) + GUARD_BYTES
            self.blocks[address] = Block(address, size_bytes, kind, raw)
            self.largest_bytes = max(self.largest_bytes, self.device_bytes())
            return address

    def free(self, address: int, kind: str) -> None:
        """Refuses what is no allocation, was freed, is of the other kind or was written around."""
        with self.lock:
            self.no_capture_here("a free")
            block = self.blocks.get(address)
            if block is None or block.kind != kind:
                raise self.refuse(f"free of {address:#x}, which is no {kind} memory (freed twice?)")
            self._check_guards(block)
            ctypes.memset(address, POISON, block.size_bytes)
            self._quarantine.append(self.blocks.pop(address))

    def check_range(self, address: int, size_bytes: int, kind: str) -> None:
        """Refuses memory that is not wholly inside a living allocation of that kind."""
        for block in self.blocks.values():
            if block.address <= address < block.address + block.size_bytes:
                if block.kind != kind:
                    raise self.refuse(f"{block.kind} memory used as {kind} memory")
                if address + size_bytes > block.address + block.size_bytes:
                    raise self.refuse(
                        f"out of bounds: {size_bytes} bytes at {address - block.address} of an allocation of "
                        f"{block.size_bytes} bytes"
                    )
                return
        raise self.refuse(f"use of {kind} memory at {address:#x}, which is not allocated (use after free)")

    def stream(self, handle: int) -> FakeStream:
        """Refuses the default stream and one that was ended."""
        if not handle:
            raise self.refuse("work on the default stream")
        found = self.streams.get(int(handle))
        if found is None:
            raise self.refuse(f"stream {int(handle):#x} was ended or never made")
        return found

    def submit(self, handle: int, task: Task) -> None:
        """Queues it, or records it where the stream is being captured."""
        stream = self.stream(handle)
        if stream.capturing is not None:
            if stream.capturing_thread != threading.get_ident():
                raise self.refuse("work on a stream that another thread captures")
            stream.capturing.append(task)
            return
        task.announce()
        stream.queue.append(task)

    def no_capture_here(self, what: str) -> None:
        """Refuses what may not happen while this thread captures."""
        if any(
            s.capturing is not None and s.capturing_thread == threading.get_ident()
            for s in self.streams.values()
        ):
            raise self.refuse(f"{what} during capture")

    def drain(self, stream: FakeStream) -> None:
        """Does what was queued."""
        tasks, stream.queue = stream.queue, []
        for task in tasks:
            task.work()
        for block in self.blocks.values():
            self._check_guards(block)

    def device_bytes(self) -> int:
        """Allocated on the device now."""
        return sum(block.size_bytes for block in self.blocks.values() if block.kind == DEVICE)

    def leaks(self) -> list[str]:
        """What is not freed, in words; empty is right after everything was closed."""
        gc.collect()
        left = [f"{block.size_bytes} bytes of {block.kind} memory" for block in self.blocks.values()]
        left += [f"stream {handle:#x}" for handle in self.streams]
        left += [f"graph {handle:#x}" for handle in self.graphs]
        left += [f"recording {handle:#x}" for handle in self.recordings]
        return left + ["an execution context" for _ in self.contexts]

    def check(self) -> None:
        """At the end of a test or a report. ContractBroken: a rule was broken or something leaked."""
        left = self.leaks()
        if self.broken or left:
            raise ContractBroken("; ".join([*self.broken, *(f"leaked {each}" for each in left)]))

    def _check_guards(self, block: Block) -> None:
        content = bytes(block.raw)
        if content[:GUARD_BYTES] != GUARD or content[-GUARD_BYTES:] != GUARD:
            raise self.refuse(f"written around an allocation of {block.size_bytes} bytes")
