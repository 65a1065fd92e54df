"""The picture of an input that has only sound: its wave form, or black. All of its frames are made."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from reelwire.media import Samples, Sound, SoundFormat
from reelwire.timeline import rescale
from services.preprocess.geometry import Shape, nearest_even

DEFAULT_RATE = Fraction(25)
DEFAULT_WIDTH, DEFAULT_HEIGHT = 640, 360
WAVES = "mode=cline:draw=full:scale=sqrt:colors=0x33ccff"
MAX_SILENCE_SAMPLES = 1 << 16  # drawn at once


def sound_picture_size(shape: Shape) -> tuple[int, int]:
    """Width and height; a side that is left open follows 16:9."""
    if shape.width and shape.height:
        return shape.width, shape.height
    if shape.width:
        return shape.width, nearest_even(Fraction(shape.width * DEFAULT_HEIGHT, DEFAULT_WIDTH))
    if shape.height:
        return nearest_even(Fraction(shape.height * DEFAULT_WIDTH, DEFAULT_HEIGHT)), shape.height
    return DEFAULT_WIDTH, DEFAULT_HEIGHT


class SoundPicture:
    """Sound in order → (slot, ``av.VideoFrame``); slot n is shown from n/``rate`` on. Silence in gaps."""

    def __init__(self, sound: SoundFormat, size: tuple[int, int], rate: Fraction, *, waves: bool) -> None:
        self._sound = sound
        self._time_base = 1 / rate
        self._waves = _WaveForm(sound, size, rate) if waves else None
        self._black = black_frame(size)
        self._slot: int | None = None
        self._end = 0  # in samples

    def add(self, sound: Sound) -> Iterator[tuple[int, Any]]:
        """The pictures that are complete with these samples."""
        if self._slot is None:
            self._slot = rescale(sound.pts, self._sound.time_base, self._time_base)
            self._end = sound.pts
        while (gap := sound.pts - self._end) > 0:
            yield from self._draw(
                np.zeros((min(gap, MAX_SILENCE_SAMPLES), self._sound.channel_count), np.float32)
            )
        yield from self._draw(sound.samples)

    def flush(self) -> Iterator[tuple[int, Any]]:
        """The picture of what is left."""
        if self._slot is None:
            return
        if self._waves is not None:
            yield from self._numbered(self._waves.flush())
        elif self._slot * self._time_base < self._end * self._sound.time_base:
            yield from self._numbered([self._black])

    def _draw(self, samples: Samples) -> Iterator[tuple[int, Any]]:
        self._end += len(samples)
        if self._waves is not None:
            yield from self._numbered(self._waves.push(samples))
            return
        assert self._slot is not None
        while (self._slot + 1) * self._time_base <= self._end * self._sound.time_base:
            yield from self._numbered([self._black])

    def _numbered(self, frames: Any) -> Iterator[tuple[int, Any]]:
        for frame in frames:
            assert self._slot is not None
            yield self._slot, frame
            self._slot += 1


class _WaveForm:
    """libavfilter's showwaves."""

    def __init__(self, sound: SoundFormat, size: tuple[int, int], rate: Fraction) -> None:
        self._sound = sound
        self._fed = 0
        graph = self._graph = av.filter.Graph()
        graph.threads = 1
        source = graph.add_abuffer(
            sample_rate=sound.sample_rate, format="flt", layout=sound.layout, time_base=sound.time_base
        )
        waves = graph.add("showwaves", f"size={size[0]}x{size[1]}:rate={rate}:{WAVES}")
        graph.link_nodes(source, waves, graph.add("buffersink"))
        graph.configure()

    def push(self, samples: Samples) -> Iterator[Any]:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples).reshape(1, -1), format="flt", layout=self._sound.layout
        )
        frame.sample_rate, frame.time_base, frame.pts = (
            self._sound.sample_rate,
            self._sound.time_base,
            self._fed,
        )
        self._fed += len(samples)
        self._graph.push(frame)
        yield from self._pulled()

    def flush(self) -> Iterator[Any]:
        self._graph.push(None)
        yield from self._pulled()

    def _pulled(self) -> Iterator[Any]:
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def black_frame(size: tuple[int, int]) -> Any:
    """An ``av.VideoFrame`` of RGB zeros."""
    return av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), np.uint8), format="rgb24")
