"""glibc's malloc, set for frames: keep freed multi-megabyte buffers instead of returning them each time.

By default every buffer above 128 KiB is mapped, faulted in, and unmapped again, which costs more than copying
a frame. Must run before the process makes threads.
"""

from __future__ import annotations

import ctypes
import gc
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8
SETTINGS = (
    (M_MMAP_THRESHOLD, 32 << 20),  # glibc's own upper limit
    (M_TRIM_THRESHOLD, 1 << 30),
    (M_TOP_PAD, 64 << 20),
    (M_ARENA_MAX, 1),  # a freed frame is found again whichever thread asks
)


def keep_freed_buffers() -> bool:
    """True where the setting took hold; False where the C library is not glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    taken = [mallopt(name, value) == 1 for name, value in SETTINGS]  # each one, even after a refusal
    return all(taken)


def forget_the_start() -> None:
    """What the process has loaded by now stays: the collector looks at it no more. What is left to look at is
    the streams', a few milliseconds at most."""
    gc.collect()
    gc.freeze()


def collect_stream() -> None:
    """Frees what an ended stream leaves in cycles. A container of PyAV and its streams know each other, so
    that a decoder's threads and memory would stay until the collector comes by, many streams later."""
    gc.collect()
