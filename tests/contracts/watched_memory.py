"""Memory that tells who touches it.

One page in the middle of each watched buffer can neither be read nor written; whoever tries is told of, on
its own thread with its own stack, and may then go on. So a copy is seen whatever makes it: NumPy, bytes.join,
a media library. Nothing is timed.

A system call that is handed such a page fails instead of telling, so what goes to files is not watched.
"""

from __future__ import annotations

import ctypes
import mmap
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from reelwire.hop.slots import SlotView

SA_SIGINFO = 4
OPEN, SHUT = mmap.PROT_READ | mmap.PROT_WRITE, 0
MIN_BYTES = 64 * 1024 + 1
CAN_WATCH = sys.platform == "linux"


class _SigInfo(ctypes.Structure):
    """The start of Linux's siginfo_t for SIGSEGV on 64 bits."""

    _fields_ = (
        ("signo", ctypes.c_int),
        ("errno", ctypes.c_int),
        ("code", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("address", ctypes.c_void_p),
    )


class _SigAction(ctypes.Structure):
    """glibc's struct sigaction."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(_SigInfo), ctypes.c_void_p)


class WatchedMemory:
    """``with WatchedMemory(on_touch) as memory``; one at a time. Keeps what it watches until its end."""

    def __init__(self, on_touch: Callable[[FrameType | None], None]) -> None:
        """``on_touch`` is called with the innermost Python frame of whoever touched a page."""
        self._on_touch = on_touch
        self._kept: dict[int, Any] = {}  # page → the buffer around it
        self._touched: set[int] = set()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        self._handler = _HANDLER(self._on_fault)
        self._before = _SigAction()

    def __enter__(self) -> WatchedMemory:
        address = ctypes.cast(self._handler, ctypes.c_void_p)
        action = _SigAction(address, (ctypes.c_ulong * 16)(), SA_SIGINFO, None)
        assert self._libc.sigaction(signal.SIGSEGV, ctypes.byref(action), ctypes.byref(self._before)) == 0
        return self

    def __exit__(self, *_: object) -> None:
        for page in self._kept:
            self._protect(page, OPEN)
        self._kept.clear()
        self._restore()

    def watch(self, buffer: Any) -> None:
        """From now on: bytes, or an array or view of memory, whoever made it. Nothing is done for less than
        64 KiB, nor for a slot of a ring, which must be given back."""
        data = _whole(buffer)
        if data is None or data.nbytes < MIN_BYTES:
            return
        middle = (data.ctypes.data + data.nbytes // 2) // mmap.PAGESIZE * mmap.PAGESIZE
        if middle not in self._kept:
            self._kept[middle] = data
            self._protect(middle, SHUT)

    def arm(self) -> None:
        """Pages that were touched tell again."""
        while self._touched:
            self._protect(self._touched.pop(), SHUT)

    def _protect(self, page: int, how: int) -> None:
        assert self._libc.mprotect(page, mmap.PAGESIZE, how) == 0

    def _on_fault(self, signo: int, info: Any, context: int) -> None:
        del signo, context
        page = (info.contents.address or 0) // mmap.PAGESIZE * mmap.PAGESIZE
        if page not in self._kept:
            self._restore()  # a real fault: it happens again, and is told as ever
            return
        self._protect(page, OPEN)
        self._touched.add(page)
        self._on_touch(sys._getframe().f_back)

    def _restore(self) -> None:
        self._libc.sigaction(signal.SIGSEGV, ctypes.byref(self._before), None)


def _whole(buffer: Any) -> Any:
    """All of the memory that a buffer is a part of, as an array; None: it is not to be kept."""
    array = None
    while True:
        if isinstance(buffer, memoryview):
            buffer = buffer.obj
        elif isinstance(buffer, np.ndarray):
            array, buffer = buffer, buffer.base
        elif isinstance(buffer, bytes | bytearray):
            return np.frombuffer(buffer, np.uint8)
        else:
            return None if isinstance(buffer, SlotView | mmap.mmap) else array
