"""The one clock of a process: monotonic microseconds, and a name for it.

Two processes on one machine share CLOCK_MONOTONIC; the name (the machine's boot id and time namespace)
tells a receiver whether a sender's readings mean anything to it.
"""

from __future__ import annotations

import hashlib
import os
import time
from functools import cache
from pathlib import Path


def now_us() -> int:
    """Microseconds of CLOCK_MONOTONIC."""
    return time.monotonic_ns() // 1000


@cache
def clock_id() -> str:
    """Names this process's clock; equal names, equal clock. Unique to the process where nothing tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/time")
    except OSError:
        return f"process-{os.getpid()}-{time.monotonic_ns()}"
    return hashlib.sha256(f"{boot}{namespace}".encode()).hexdigest()[:16]
