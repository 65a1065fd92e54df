"""glibc's malloc, set for frames: keep freed multi-megabyte buffers instead of returning them each time.

By default every buffer above 128 KiB is mapped, faulted in, and unmapped again, which costs more than copying
a frame. Must run before the process makes threads.
"""

from __future__ import annotations

import ctypes
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
