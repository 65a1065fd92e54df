"""Cuts a stream into the windows that a model sees, so that each frame comes out exactly once.

With W frames in a window, O of them shared with the one before, T coming out of which the first belongs to
place F: run k sees the frames k * (W - O) - F and on, and gives those from k * (W - O) on. Frames that an
earlier run gave are left out. Before the stream's first frame that one is repeated, after its last the last
one. None of it depends on how frames arrive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from reelwire.engines.backend import Array
from reelwire.errors import BadPayload
from reelwire.media import Pixels
from reelwire.models.spec import Window


@dataclass(frozen=True, slots=True)
class Held:
    """One frame under way: ``pixels`` is (H, W, 3) uint8 RGB."""

    pts: int
    pixels: Pixels
    keyframe: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One run: ``window`` goes in; of what comes out, ``kept`` from place ``skip`` on are new."""

    window: tuple[Held, ...]
    skip: int
    kept: tuple[Held, ...]


class WindowBuffer:
    """Holds at most a window and a hop of frames."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._held: list[Held] = []
        self._first = 0  # number of the first frame held, counted from the stream's first
        self._runs = 0

    def push(self, frame: Held) -> Iterator[Step]:
        """Takes the next frame; gives the runs that it completes. A frame that is kept beyond this call is
        copied: the memory under its pixels may be used again."""
        if self._window.frames == 1:
            yield Step((frame,), 0, (frame,))
            return
        self._held.append(Held(frame.pts, frame.pixels.copy(), frame.keyframe))
        while self._start + self._window.frames <= self._count:
            yield self._next()

    def flush(self) -> Iterator[Step]:
        """The runs that are left at the stream's end."""
        while self._given < self._count:
            yield self._next()

    @property
    def _count(self) -> int:
        return self._first + len(self._held)

    @property
    def _start(self) -> int:
        return self._runs * self._window.hop - self._window.first_output

    @property
    def _given(self) -> int:
        window = self._window
        return 0 if self._runs == 0 else (self._runs - 1) * window.hop + window.output_frames

    def _next(self) -> Step:
        window, start, given = self._window, self._start, self._given
        seen = tuple(self._frame(number) for number in range(start, start + window.frames))
        first_out = self._runs * window.hop
        stop = min(first_out + window.output_frames, self._count)
        kept = tuple(self._frame(number) for number in range(given, stop))
        self._runs += 1
        self._forget()
        return Step(seen, given - first_out, kept)

    def _frame(self, number: int) -> Held:
        return self._held[min(max(number, 0), self._count - 1) - self._first]

    def _forget(self) -> None:
        """Frames before the next window are done with; the last one stays, to be repeated at the end."""
        done = min(max(self._start, 0), self._count - 1) - self._first
        if done > 0:
            del self._held[:done]
            self._first += done

    def save(self) -> dict[str, Array]:
        """What it holds."""
        saved: dict[str, Array] = {"window counters": np.array([self._first, self._runs], np.int64)}
        if self._held:
            saved["window pts"] = np.array([held.pts for held in self._held], np.int64)
            saved["window keyframes"] = np.array([held.keyframe for held in self._held], np.bool_)
            saved["window pixels"] = np.stack([held.pixels for held in self._held])
        return saved

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not such arrays."""
        try:
            self._first, self._runs = (int(number) for number in saved["window counters"])
            pts = saved.get("window pts", np.empty(0, np.int64))
            keys = saved.get("window keyframes", pts)
            pixels = saved.get("window pixels", pts)
            self._held = [
                Held(int(p), image, bool(key)) for p, image, key in zip(pts, pixels, keys, strict=True)
            ]
        except (KeyError, ValueError, TypeError):
            raise BadPayload("the saved state holds no window of frames; start the stream again") from None
