"""What both ends of a measured hop do: frames with the time of their sending, and the reading of every byte.

CPU is user and system time of the processes involved, read off their kernel clocks at the borders of the
measured window; what happens before, such as imports and the warm-up, is not in it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from reelwire.media import PixelLayout, Pixels, VideoFormat, read_only

POOL_FRAMES = 8
WARM_FRAMES, WARM_PACED_FRAMES = 30, 8
TIME_BASE = Fraction(1, 1_000_000_000)
CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Work:
    """Frames of one size and layout for ``seconds``; ``fps`` 0: as fast as they go. ``echo``: each comes
    back to its sender, which reads it too."""

    width: int
    height: int
    layout: str
    fps: float
    seconds: float
    echo: bool = False

    @property
    def video(self) -> VideoFormat:
        """A pts is the nanosecond of sending."""
        return VideoFormat(self.width, self.height, TIME_BASE, PixelLayout[self.layout])

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, 3) for RGB24, (H * 3 // 2, W) for I420."""
        return self.video.frame_shape

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.video.frame_bytes


def noise(work: Work) -> list[Pixels]:
    """A few different frames that exist before they are sent."""
    random = np.random.default_rng(1)
    return [random.integers(0, 256, work.frame_shape, dtype=np.uint8) for _ in range(POOL_FRAMES)]


def read_every_byte(pixels: Pixels) -> int:
    """The largest value: a reduction that is as fast as memory, wherever the first byte lies."""
    return int(np.maximum.reduce(pixels.reshape(-1)))


def cpu_s(pids: Sequence[int]) -> float:
    """User and system seconds of these processes so far, of all their threads. Linux."""
    return sum(time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) for pid in pids)


@dataclass(frozen=True)
class Reading:
    """Where the window begins or ends."""

    at_ns: int
    cpu_s: float
    sent: int


class Load:
    """A producer's frames: a warm-up, then the window. ``pids``: whose CPU counts."""

    def __init__(self, work: Work, pids: Sequence[int]) -> None:
        self._work = work
        self._pids = tuple(dict.fromkeys(pids))
        self._pool = [read_only(pixels) for pixels in noise(work)]
        self._first: Reading | None = None
        self._last: Reading | None = None
        self.sent = 0

    def frames(self) -> Iterator[tuple[int, Pixels]]:
        """Nanosecond of sending and pixels, each when it is due."""
        for wait_s in self._waits():
            if wait_s > 0:
                time.sleep(wait_s)
            yield self._next()

    async def frames_async(self) -> AsyncIterator[tuple[int, Pixels]]:
        """The same on an event loop."""
        for wait_s in self._waits():
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            yield self._next()

    def _next(self) -> tuple[int, Pixels]:
        pixels = self._pool[self.sent % POOL_FRAMES]
        self.sent += 1
        return time.monotonic_ns(), pixels

    def _waits(self) -> Iterator[float]:
        """Seconds until each frame is due, as long as there are more."""
        paced = self._work.fps > 0
        warm = WARM_PACED_FRAMES if paced else WARM_FRAMES
        start_s = time.monotonic()
        while True:
            if self.sent == warm:
                self._first = self._read()
            if self._first is not None and time.monotonic_ns() > self._first.at_ns + self._work.seconds * 1e9:
                self._last = self._read()
                return
            yield start_s + self.sent / self._work.fps - time.monotonic() if paced else 0.0

    def _read(self) -> Reading:
        return Reading(time.monotonic_ns(), cpu_s(self._pids), self.sent)

    def as_dict(self) -> dict[str, Any]:
        """The window: its borders, frames sent in it, CPU of all; and frames sent in all."""
        assert self._first is not None
        assert self._last is not None
        return {
            "from_ns": self._first.at_ns,
            "to_ns": self._last.at_ns,
            "frames": self._last.sent - self._first.sent,
            "cpu_s": self._last.cpu_s - self._first.cpu_s,
            "sent": self.sent,
        }


@dataclass
class Meter:
    """A consumer's frames: each is read, then its age is noted."""

    took_ns: list[tuple[int, int]] = field(default_factory=list)

    def took(self, sent_ns: int, pixels: Pixels) -> None:
        """A frame is there as an array."""
        read_every_byte(pixels)
        self.took_ns.append((sent_ns, time.monotonic_ns() - sent_ns))

    def ages_ms(self, from_ns: int, to_ns: int) -> list[float]:
        """Of the frames that were sent in a window."""
        return [age / 1e6 for sent, age in self.took_ns if from_ns <= sent <= to_ns]

    def report(self) -> None:
        """One line on standard output."""
        print(json.dumps({"took_ns": self.took_ns}), flush=True)


def print_address(address: str) -> None:
    """Where a consumer listens: one line on standard output."""
    print(json.dumps({"address": address}), flush=True)
