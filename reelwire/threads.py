"""How many threads work takes: said once, so that services that share cores do not each take all of them.

Inference and OpenCV take ``engine_threads``, a video encoder ``codec_threads``, decoders and filters one.
"""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine has where it was pinned to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count(setting: int) -> int:
    """What REELWIRE_ENGINE_THREADS comes to: 0 is all usable cores."""
    return setting or usable_cores()


def limit_picture_threads(setting: int) -> None:
    """OpenCV's threads for one operation, for the whole process; by itself it takes all cores."""
    import cv2  # not for whoever only counts

    cv2.setNumThreads(thread_count(setting))


def in_words(count: int) -> str:
    """For logs: "1 thread"."""
    return f"{count} thread{'' if count == 1 else 's'}"
