"""Decoded sound → chunks of a fixed number of float32 samples, each with its exact place in the clip.

Sound that follows within ``JITTER_S`` of where the samples before it ended follows directly: containers round
their pts, some to milliseconds. A later pts is a gap and stays one; an earlier one cuts what comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np

from reelwire.errors import Unimplemented
from reelwire.media import Chunk, Samples, Sound, SoundFormat
from reelwire.timeline import rescale
from services.preprocess.span import Span

CHUNK_SAMPLES = 1024
JITTER_S = Fraction(1, 100)
DEFAULT_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_UNPLACED = re.compile(r"[0-9]+ channels")
SAMPLE_FORMAT = "flt"  # interleaved float32


@dataclass(frozen=True)
class SoundPlan:
    """How a track of sound comes out. ``source``: seconds per tick of what comes in."""

    track: int
    source: Fraction
    format: SoundFormat
    span: Span = field(default_factory=Span)


def sound_format_of(sound: Any) -> SoundFormat:
    """Of an ``av.AudioFrame`` or a decoder: its own rate and layout, in ticks of one sample. Channels that
    have no places in the input get those that FFmpeg gives by default."""
    rate, layout = int(sound.sample_rate), sound.layout
    name = (
        DEFAULT_LAYOUTS.get(layout.nb_channels, layout.name)
        if _UNPLACED.fullmatch(layout.name)
        else layout.name
    )
    return SoundFormat(rate, name, layout.nb_channels, Fraction(1, rate))


class SoundTrack:
    """One track. ``pts`` are the clip's own, from its beginning, in ticks of ``plan.source``."""

    def __init__(self, plan: SoundPlan) -> None:
        self._plan = plan
        self._base = plan.format.time_base
        self._resampler: Any = None
        self._kind: tuple[str, int, str] | None = None
        self._waiting: list[Samples] = []
        self._waiting_count = 0
        self._start = 0  # pts of the first sample that waits
        self._next: int | None = None  # where the samples so far end
        self._jitter = int(JITTER_S / self._base)
        self.is_complete = False

    def add(self, frame: Any, pts: int | None) -> Iterator[Chunk]:
        """The next ``av.AudioFrame``; None: directly after the one before. Gives the chunks that are full."""
        at = self._next or 0
        if pts is not None:
            at = rescale(pts, self._plan.source, self._base)
            if self._next is not None and abs(at - self._next) <= self._jitter:
                at = self._next
        for samples in self._converted(frame):
            yield from self._place(at, samples)
            at += len(samples)

    def flush(self) -> Iterator[Chunk]:
        """What is left."""
        if self._resampler is not None:
            for frame in self._resampler.resample(None):
                yield from self._place(self._next or 0, _samples_of(frame))
        if self._waiting_count:
            yield self._chunk(self._waiting_count)

    def _converted(self, frame: Any) -> list[Samples]:
        try:
            return list(self._resampled(frame))
        except (av.FFmpegError, ValueError) as error:
            form = self._plan.format
            raise Unimplemented(
                f"sound of {frame.format.name}, {frame.layout.name} at {frame.sample_rate} Hz cannot be "
                f"brought to {form.layout} at {form.sample_rate} Hz: {error}; mute it",
                field="input",
            ) from None

    def _resampled(self, frame: Any) -> Iterator[Samples]:
        kind = (frame.format.name, int(frame.sample_rate), frame.layout.name)
        if kind != self._kind:
            if self._resampler is not None:
                yield from map(_samples_of, self._resampler.resample(None))
            form = self._plan.format
            self._kind = kind
            self._resampler = av.AudioResampler(SAMPLE_FORMAT, form.layout, form.sample_rate)
        frame.pts = None  # the resampler would move samples by it; their place is kept here
        yield from map(_samples_of, self._resampler.resample(frame))

    def _place(self, at: int, samples: Samples) -> Iterator[Chunk]:
        """Puts samples where they belong, less what is outside of the span or was there before."""
        first, end = self._plan.span.first_tick(self._base), self._plan.span.end_tick(self._base)
        floor = first if self._next is None else max(first, self._next)
        if at < floor:
            samples, at = samples[floor - at :], floor
        if end is not None and at + len(samples) >= end:
            samples, self.is_complete = samples[: max(0, end - at)], True
        if not len(samples):
            return
        if at != self._next:
            if self._waiting_count:
                yield self._chunk(self._waiting_count)
            self._start = at
        self._waiting.append(samples)
        self._waiting_count += len(samples)
        self._next = at + len(samples)
        while self._waiting_count >= CHUNK_SAMPLES:
            yield self._chunk(CHUNK_SAMPLES)

    def _chunk(self, count: int) -> Chunk:
        joined = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        given, rest = joined[:count], joined[count:]
        self._waiting = [rest] if len(rest) else []
        self._waiting_count = len(rest)
        start, self._start = self._start, self._start + count
        return Chunk(self._plan.track, Sound(self._plan.format, start, given))


def _samples_of(frame: Any) -> Samples:
    """Packed float32 of PyAV → (N, channels); what is not finite is silence."""
    samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(samples, np.float32)
