"""Decoded pictures → chunks of frames: trimmed, at the rate asked for, converted once, never out of order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from reelwire.media import Chunk, DropReason, Frames, Pixels, VideoFormat, read_only
from reelwire.timeline import rescale
from services.preprocess.drops import DropLog
from services.preprocess.picture_graph import PictureGraphs
from services.preprocess.rate import ConstantRate, Shown, Skipped
from services.preprocess.span import Span


@dataclass(frozen=True)
class PicturePlan:
    """How a track of pictures comes out. ``format``: as agreed; its time base is 1/``rate`` where there is a
    rate. ``source``: seconds per tick of what comes in."""

    track: int
    source: Fraction
    format: VideoFormat
    chunk_frames: int
    rate: Fraction = Fraction(0)
    span: Span = field(default_factory=Span)


@dataclass(slots=True)
class _Waiting:
    frame: Any
    made: bool
    keyframe: bool
    pixels: Pixels | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    pts: int
    pixels: Pixels
    made: bool
    keyframe: bool


class PictureTrack:
    """One track. ``pts`` are the clip's own, from its beginning, in ticks of ``plan.source``."""

    def __init__(self, plan: PicturePlan, graphs: PictureGraphs) -> None:
        self._plan = plan
        self._graphs = graphs
        self._rate: ConstantRate[_Waiting] | None = None
        if plan.rate:
            self._rate = ConstantRate(plan.rate, plan.source)
        self._ready: list[_Ready] = []
        self._drops = DropLog()
        self.is_complete = False

    def add(
        self, frame: Any, pts: int, duration: int, *, made: bool = False, keyframe: bool = False
    ) -> Iterator[Chunk]:
        """The next ``av.VideoFrame``; gives the chunks that are full. ``made``: no frame of the input.
        ``keyframe``: it, or what is shown in its place, must start a GOP."""
        if not self.wants(pts):
            self.is_complete = self.is_complete or self._plan.span.is_after(pts, self._plan.source)
            self.drop(DropReason.TRIMMED, pts)
            return
        waiting = _Waiting(frame, made, keyframe)
        if self._rate is None:
            yield from self._put(pts, waiting, made=made)
        else:
            yield from self._decided(self._rate.push(pts, duration, waiting), heir=waiting)

    def wants(self, pts: int) -> bool:
        """True where ``add`` would not trim a frame of this pts."""
        span, source = self._plan.span, self._plan.source
        return not (span.is_before(pts, source) or span.is_after(pts, source))

    def drop(self, reason: DropReason, pts: int) -> None:
        """A frame that will not come; ``pts`` as for ``add``."""
        self._drops.add(reason, rescale(pts, self._plan.source, self._plan.format.time_base))

    def cut(self) -> Iterator[Chunk]:
        """The frames that are ready, in a chunk that is not full."""
        if self._ready:
            yield self._chunk()

    def flush(self) -> Iterator[Chunk]:
        """What is left, and the drops that no chunk carried."""
        if self._rate is not None:
            yield from self._decided(self._rate.flush(), heir=None)
        yield from self.cut()
        drops = self._drops.take()
        if drops:
            yield Chunk(self._plan.track, None, drops)

    def _decided(
        self, decisions: Iterator[Shown[_Waiting] | Skipped[_Waiting]], *, heir: _Waiting | None
    ) -> Iterator[Chunk]:
        """``heir``: the frame that comes in place of one that is skipped."""
        for decision in decisions:
            if isinstance(decision, Skipped):
                self._drops.add(DropReason.RATE, decision.slot)
                if heir is not None:
                    heir.keyframe = heir.keyframe or decision.item.keyframe
            else:
                yield from self._put(decision.slot, decision.item, made=decision.repeated)
                decision.item.keyframe = False

    def _put(self, pts: int, waiting: _Waiting, *, made: bool) -> Iterator[Chunk]:
        if waiting.pixels is None:
            waiting.pixels, waiting.frame = self._graphs.run(waiting.frame), None
        self._ready.append(_Ready(pts, waiting.pixels, made, waiting.keyframe))
        if len(self._ready) >= self._plan.chunk_frames:
            yield self._chunk()

    def _chunk(self) -> Chunk:
        ready, self._ready = self._ready, []
        arrays = [each.pixels for each in ready]
        stack = arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
        frames = Frames(self._plan.format, tuple(each.pts for each in ready), read_only(stack))
        made = sum(each.made for each in ready)
        keyframes = tuple(place for place, each in enumerate(ready) if each.keyframe)
        return Chunk(self._plan.track, frames, self._drops.take(), made, keyframes)
