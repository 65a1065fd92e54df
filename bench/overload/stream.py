"""The stream of the benchmark: a paced source that never waits, and what comes back of it."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from reelwire.client import Stream
from reelwire.hop.checks import STAGES
from reelwire.hop.timing import pts_of
from reelwire.media import (
    Chunk,
    Dropped,
    DropReason,
    Frames,
    Offer,
    PayloadKind,
    PixelLayout,
    VideoFormat,
)
from reelwire.v1.config_pb2 import Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Summary

READY_EACH_HOP = 2  # chunks that wait for credit
AT_WORK_EACH_HOP = 1
POOL_FRAMES = 8
Drops = Counter[tuple[str, str]]  # (stage, reason) → frames


@dataclass(frozen=True)
class Work:
    """Pictures of one size; ``slow`` is the stage that takes ``work_ms`` for each."""

    width: int
    height: int
    slow: str
    work_ms: float

    def video(self, rate: Fraction) -> VideoFormat:
        """``rate`` pictures a second, one tick each."""
        return VideoFormat(self.width, self.height, 1 / rate, PixelLayout.I420, rate)

    def config(self, *, live: bool) -> StreamConfig:
        """Through all four services; encoded where the encoder is not the one that is slow."""
        policy = Policy.POLICY_LIVE if live else Policy.POLICY_LOSSLESS
        config = StreamConfig(route=STAGES, policy=policy, chunk_frames=1)
        if self.slow != "generator":
            config.generator.model = "identity"
        config.encoder.video.preset = "ultrafast"
        return config


@dataclass
class Span:
    """What came back within one stretch of time. ``ages_ms``: from a frame's making to its return."""

    ages_ms: array[float] = field(default_factory=lambda: array("d"))
    dropped: Drops = field(default_factory=Counter)


class Driven:
    """One stream while it runs. ``most_under_way``: frames that were sent and neither back nor dropped."""

    def __init__(self, stream: Stream, video: VideoFormat) -> None:
        self._stream = stream
        self._video = video
        random = np.random.default_rng(1)
        shape = (1, *video.frame_shape)
        self._pool = [random.integers(0, 256, shape, dtype=np.uint8) for _ in range(POOL_FRAMES)]
        for pixels in self._pool:
            pixels.flags.writeable = False
        self._made_at_s: dict[int, float] = {}
        self._newest_back = -1
        self._back_at_s: list[float] = []  # of the first and the newest
        self.span = Span()
        self.sent = 0
        self.back = 0
        self.told: Drops = Counter()
        self.most_under_way = 0

    async def send_for(self, seconds: float, rate: Fraction) -> None:
        """A frame whenever one is due. ``rate`` 0: as fast as they are taken."""
        start_s = time.monotonic()
        while (now_s := time.monotonic()) < start_s + seconds:
            due_s = start_s + float(self.sent / rate) if rate else now_s
            if due_s > now_s:
                await asyncio.sleep(due_s - now_s)
            pts = self.sent
            self.sent += 1
            self._made_at_s[pts] = time.monotonic()
            pixels = self._pool[pts % POOL_FRAMES]
            await self._stream.send(Chunk(0, Frames(self._video, (pts,), pixels)))
            self._note_under_way()
        await self._stream.end()

    def _note_under_way(self) -> None:
        here = sum(each.count for each in self._stream.dropped)
        under_way = self.sent - here - self.back - self._lost_later()
        self.most_under_way = max(self.most_under_way, under_way)

    def _lost_later(self) -> int:
        return sum(count for (stage, _), count in self.told.items() if stage != "client")

    async def receive(self) -> None:
        """Until the stream ends. SystemExit: a frame came twice, or before an earlier one."""
        async for chunk in self._stream.chunks():
            now_s = time.monotonic()
            told = by_reason(chunk.dropped)
            self.told += told
            self.span.dropped += told
            if chunk.frame_count:
                self._back_at_s = [*self._back_at_s[:1], now_s]
            for pts in pts_of(chunk.payload):
                if pts <= self._newest_back:
                    raise SystemExit(f"frame {pts} came after {self._newest_back}")
                self.span.ages_ms.append((now_s - self._made_at_s[pts]) * 1e3)
                for gone in range(self._newest_back + 1, pts + 1):
                    del self._made_at_s[gone]
                self._newest_back = pts
                self.back += 1

    @property
    def back_fps(self) -> float:
        """Between the first frame that came back and the last. SystemExit: there are too few."""
        if self.back < 2:
            raise SystemExit(f"{self.back} frames came back; give it more time")
        return (self.back - 1) / (self._back_at_s[-1] - self._back_at_s[0])

    def next_span(self) -> Span:
        """What came since the last call."""
        done, self.span = self.span, Span()
        return done

    def accounts(self) -> str:
        """What does not close in them, in words; empty where all does."""
        summary = self._stream.summary
        if summary is None or [each.stage for each in summary.stages] != list(STAGES):
            return "the summary is not complete"
        own = by_reason(self._stream.dropped)
        wrong = [problem for problem in _open_accounts(summary) if problem]
        if self.sent != summary.stages[0].in_frames + sum(own.values()):
            wrong.append(
                f"{self.sent} frames sent, {summary.stages[0].in_frames} taken, {sum(own.values())} dropped"
            )
        if summary.stages[-1].out_frames != self.back:
            wrong.append(f"{summary.stages[-1].out_frames} frames given, {self.back} came back")
        lost = own + all_dropped(summary)
        if lost != self.told:
            wrong.append(f"dropped {dict(lost)}, told {dict(self.told)}")
        return "; ".join(wrong)

    def counts(self) -> dict[str, int]:
        """Frames sent, back, and lost by stage and reason, at the end."""
        assert self._stream.summary is not None
        lost = by_reason(self._stream.dropped) + all_dropped(self._stream.summary)
        named = {f"{stage}, {reason}": count for (stage, reason), count in sorted(lost.items())}
        return {"sent": self.sent, "back": self.back, **named}


def under_way_at_most(stream: Stream, slow: str) -> int:
    """Frames between the source and the end of the slow stage's work, when all is full: on each hop those
    under credit, those that wait for it, and one that is at work."""
    stages = STAGES[: STAGES.index(slow) + 1]
    credit = sum(stream.told.accepted[stage].credit_frames for stage in stages)
    return credit + len(stages) * (READY_EACH_HOP + AT_WORK_EACH_HOP)


def frame_offer(video: VideoFormat) -> Offer:
    """Raw pictures on track 0."""
    return Offer(0, PayloadKind.FRAMES, video, (video.layout,))


def by_reason(drops: Iterable[Dropped]) -> Drops:
    """Counts by stage and reason."""
    found: Drops = Counter()
    for each in drops:
        found[each.stage, each.reason.name.lower()] += each.count
    return found


def all_dropped(summary: Summary) -> Drops:
    """Of all stages."""
    found: Drops = Counter()
    for stage in summary.stages:
        for each in stage.dropped:
            found[each.stage, DropReason(each.reason).name.lower()] += each.count
    return found


def _open_accounts(summary: Summary) -> list[str]:
    found = []
    for each in summary.stages:
        gone = each.out_frames + sum(dropped.count for dropped in each.dropped)
        if each.in_frames + each.made_frames != gone:
            found.append(f"{each.stage}: in {each.in_frames} + made {each.made_frames}, {gone} out and lost")
    return found
