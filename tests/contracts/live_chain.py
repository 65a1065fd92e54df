"""Four services on loopback of which one is held up, a LIVE source in front of them, and their accounts."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, get_args

from reelwire import metrics
from reelwire.client import connect
from reelwire.client.stream import Stream
from reelwire.hop.checks import STAGES
from reelwire.hop.place import IN_PROCESS, SHARED_MEMORY
from reelwire.hop.timing import pts_of
from reelwire.media import Chunk, Dropped, DropReason, Frames, Offer, PayloadKind, read_only
from reelwire.server import Server, Service
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.testing import addresses_of, loopback, picture, small_video
from reelwire.v1.config_pb2 import Input, Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import StageSummary, Summary
from tests.contracts.live_stages import LIVENESS_S, Watched, WatchedFactory, Work, factories_of

PLACES = tuple(each for each in get_args(Settings.model_fields["pixels"].annotation) if each != "auto")
VIDEO = small_video(16, 16)
NO_BUDGET_MS = 60_000  # more than any test takes
HELD_EACH_HOP = 5  # two chunks ready, two under credit, one at work
SOURCE = "client"
Drops = Counter[tuple[str, DropReason]]


@dataclass
class Chain:
    """A LIVE stream through all four, and what came of it. ``sent``: none where preprocess is its source."""

    stream: Stream
    factories: Mapping[str, StageFactory]
    sent: list[int] = field(default_factory=list)
    sent_at_s: dict[int, float] = field(default_factory=dict)
    back: list[Chunk] = field(default_factory=list)
    before: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def watched(self, name: str) -> Watched:
        factory = self.factories[name]
        assert isinstance(factory, WatchedFactory)
        return factory.stage

    async def send(self, *many: int) -> None:
        """Frames of these pts, at once."""
        for pts in many:
            pixels = read_only(picture(pts, VIDEO.width, VIDEO.height)[None])
            self.sent.append(pts)
            self.sent_at_s[pts] = time.monotonic()
            await self.stream.send(Chunk(0, Frames(VIDEO, (pts,), pixels)))

    async def receive(self) -> None:
        """Until the stream's end."""
        async for chunk in self.stream.chunks():
            self.back.append(chunk)

    @property
    def back_pts(self) -> list[int]:
        return [pts for each in self.back for pts in pts_of(each.payload)]

    @property
    def stages(self) -> list[StageSummary]:
        summary = self.stream.summary
        assert isinstance(summary, Summary)
        return list(summary.stages)

    @property
    def lost(self) -> Drops:
        """Everything that anybody says it dropped."""
        own = [dropped_by(each) for each in self.stages]
        return sum(own, by_reason(self.stream.dropped))

    def check(self) -> None:
        """Accounts, order, gaps and metrics of a stream that ended well."""
        self.check_each_stage()
        for one, next_ in pairwise(self.stages):
            assert one.out_frames == next_.in_frames
        if self.sent:
            own = sum(each.count for each in self.stream.dropped)
            assert len(self.sent) == self.stages[0].in_frames + own
        assert self.stages[-1].out_frames == len(self.back_pts)
        assert self.back_pts == sorted(set(self.back_pts))
        assert by_reason(each for chunk in self.back for each in chunk.dropped) == self.lost, (
            "told to the end"
        )
        told = by_reason(self.stream.dropped)
        for stage in self.stages:
            told += dropped_by(stage)
            if isinstance(self.factories[stage.stage], WatchedFactory):
                watched = self.watched(stage.stage)
                assert by_reason(watched.gaps) == told, f"what the {stage.stage} was told"
                assert watched.fed == sorted(set(watched.fed))
                assert len(watched.fed) == stage.out_frames

    def check_each_stage(self) -> None:
        """In + made = out + dropped + failed, in the summary and in the metrics."""
        after = counted()
        assert [each.stage for each in self.stages] == list(STAGES)
        for stage in self.stages:
            lost = dropped_by(stage)
            failed = sum(count for (_, reason), count in lost.items() if reason.failed)
            dropped = sum(lost.values()) - failed
            assert failed == stage.failed_frames
            assert stage.in_frames + stage.made_frames == stage.out_frames + dropped + failed
            outcomes = {
                "in": stage.in_frames,
                "made": stage.made_frames,
                "out": stage.out_frames,
                "dropped": dropped,
                "failed": failed,
            }
            for outcome, count in outcomes.items():
                key = ("reelwire_frames_total", stage.stage, outcome)
                assert after[key] - self.before[key] == count, key
            for reason in DropReason:
                key = ("reelwire_frames_dropped_total", stage.stage, reason.name.lower())
                assert after[key] - self.before[key] == lost[stage.stage, reason], key

    def missed(self, stage: str) -> int:
        """Chunks of this stream that were past their budget, as /metrics says."""
        key = ("reelwire_deadline_missed_total", stage)
        return counted()[key] - self.before[key]


def by_reason(drops: Iterable[Dropped]) -> Drops:
    found: Drops = Counter()
    for each in drops:
        found[each.stage, each.reason] += each.count
    return found


def dropped_by(stage: StageSummary) -> Drops:
    return Counter(
        {(each.stage, DropReason(each.reason)): each.count for each in stage.dropped if each.count}
    )


def counted() -> Counter[tuple[str, ...]]:
    """Every counter of frames, by name and labels."""
    wanted = ("reelwire_frames", "reelwire_frames_dropped", "reelwire_deadline_missed")
    found: Counter[tuple[str, ...]] = Counter()
    for metric in metrics.REGISTRY.collect():
        for sample in metric.samples if metric.name in wanted else ():
            if sample.name.endswith("_total"):
                found[sample.name, *sample.labels.values()] = int(sample.value)
    return found


async def until(what: str, happened: Callable[[], bool]) -> None:
    """Waits for something that must happen."""
    by_s = time.monotonic() + LIVENESS_S
    while not happened():
        assert time.monotonic() < by_s, f"never: {what}"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    factories: Sequence[StageFactory], place: str, settings: Mapping[str, Any]
) -> AsyncIterator[dict[str, str]]:
    """All of them, with pixels there between them; gives the addresses."""
    if place != IN_PROCESS:
        async with loopback(factories, {**settings, "pixels": place}) as servers:
            yield addresses_of(servers)
        return
    services = [Service(lambda settings, factory=factory: factory) for factory in factories]  # type: ignore[misc]
    server = Server(services, Settings(**{"drain_s": 0.0, **settings}))
    await server.start()
    try:
        yield {factories[0].name: f"127.0.0.1:{server.port}"}
    finally:
        await server.stop()


@asynccontextmanager
async def live_chain(
    slow: str,
    work: Work,
    *,
    url: str = "",
    budget_ms: int = NO_BUDGET_MS,
    encodes: bool = False,
    place: str = SHARED_MEMORY,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Chain]:
    """A stream that is ready. ``url``: what preprocess opens; empty: the test sends frames. ``place``: where
    pixels lie between the services."""
    factories = factories_of(slow, work, url, encodes=encodes)
    config = StreamConfig(route=STAGES, policy=Policy.POLICY_LIVE, latency_budget_ms=budget_ms)
    config.encoder.video.preset = "ultrafast"
    if url:
        config.input.CopyFrom(Input(url=url))
        config.preprocess.mute = True
    offers = () if url else (Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,)),)
    async with (
        serving(list(factories.values()), place, settings or {}) as addresses,
        connect(addresses) as reelwire,
    ):
        before = counted()
        async with reelwire.stream(config, offers) as stream:
            await stream.ready()
            assert {stream.told.accepted[stage].transport for stage in STAGES[1:]} == {place}
            yield Chain(stream, factories, before=before)
