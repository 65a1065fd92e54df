"""A stream through several services: what goes in comes out, in order, and every frame is accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from prometheus_client import REGISTRY as DEFAULT_REGISTRY

from reelwire import metrics
from reelwire.client.sdk import connect
from reelwire.client.stream import Stream
from reelwire.errors import Internal, ReelwireError, Unavailable
from reelwire.hop.checks import STAGES
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout
from reelwire.stage import StageFactory
from reelwire.testing import IdentityFactory, addresses_of, frames, loopback, small_video
from reelwire.v1.config_pb2 import Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Control, EffectChange, Summary
from tests.reelwire.hop.stages import EverySecond, Failing, Holding, Recording, Slow, StageOf

LIVENESS_S = 60


def identities(*changed: StageFactory) -> list[StageFactory]:
    others = {factory.name: factory for factory in changed}
    return [others.get(name, IdentityFactory(name)) for name in STAGES]


async def run(
    factories: Sequence[StageFactory], config: StreamConfig, count: int = 40, **how: object
) -> tuple[list[Frames], Summary]:
    """All frames that come back and the accounts."""
    video = small_video()
    chunk_frames = config.chunk_frames or 1
    async with loopback(factories) as servers, connect(addresses_of(servers)) as reelwire:
        offer = Offer(0, PayloadKind.FRAMES, video, (video.layout,))
        async with reelwire.stream(config, (offer,)) as stream:
            await stream.ready()
            sender = asyncio.create_task(send(stream, frames(count, video, chunk_frames=chunk_frames)))
            back = [chunk.payload async for chunk in stream.chunks() if isinstance(chunk.payload, Frames)]
            await sender
            assert stream.summary is not None
            return back, stream.summary


async def send(stream: Stream, source: object) -> None:
    for each in source:  # type: ignore[attr-defined]
        await stream.send(Chunk(0, each))
    await stream.end()


def pts_of(back: list[Frames]) -> list[int]:
    return [pts for each in back for pts in each.pts]


async def test_every_frame_comes_back_in_order_and_unchanged() -> None:
    back, summary = await run(identities(), StreamConfig(route=STAGES, chunk_frames=3))
    expected = next(iter(frames(40, small_video(), chunk_frames=40)))
    assert pts_of(back) == list(range(40))
    assert np.array_equal(np.concatenate([each.pixels for each in back]), expected.pixels)
    assert [stage.stage for stage in summary.stages] == list(STAGES)
    for stage in summary.stages:
        assert (stage.in_frames, stage.out_frames, stage.failed_frames) == (40, 40, 0)
        assert stage.compute.count >= 14


@pytest.mark.parametrize("chunk_frames", [1, 3, 7, 24])
async def test_accounts_close_whatever_a_stage_drops_and_makes(chunk_frames: int) -> None:
    config = StreamConfig(route=STAGES, chunk_frames=chunk_frames)
    back, summary = await run(identities(StageOf("editor", EverySecond)), config)
    editor = summary.stages[2]
    assert pts_of(back) == [p for p in range(40) if p % 4 != 3]
    assert (editor.in_frames, editor.made_frames, editor.out_frames) == (40, 10, 30)
    assert [(d.reason, d.count) for d in editor.dropped] == [(3, 20)]
    assert summary.stages[3].in_frames == 30


@pytest.mark.parametrize("credit_chunks", [1, 2])
async def test_a_stage_that_holds_more_frames_than_there_is_credit_stalls_nothing(credit_chunks: int) -> None:
    config = StreamConfig(route=STAGES, credit_chunks=credit_chunks)
    back, _ = await asyncio.wait_for(
        run(identities(StageOf("encoder", Holding, hold_frames=40)), config), LIVENESS_S
    )
    assert pts_of(back) == list(range(40))


async def test_lag_is_what_a_stage_holds_and_all_after_it() -> None:
    held = [StageOf("generator", Holding, 7), StageOf("encoder", Holding, 30)]
    async with loopback(identities(*held)) as servers, connect(addresses_of(servers)) as reelwire:
        offer = Offer(0, PayloadKind.FRAMES, small_video(), (PixelLayout.RGB24,))
        async with reelwire.stream(StreamConfig(route=STAGES), (offer,)) as stream:
            await stream.ready()
            lags = {stage: accepted.lag_frames for stage, accepted in stream.told.accepted.items()}
    assert lags == {"preprocess": 37, "generator": 37, "editor": 30, "encoder": 30}


async def test_a_bug_in_a_stage_ends_the_stream_with_a_fixed_text_and_the_service_goes_on() -> None:
    servers_of = identities(StageOf("generator", Failing))
    async with loopback(servers_of) as servers, connect(addresses_of(servers)) as reelwire:
        offer = Offer(0, PayloadKind.FRAMES, small_video(), (PixelLayout.RGB24,))
        for _ in range(2):
            async with reelwire.stream(StreamConfig(route=STAGES, stream_id="x"), (offer,)) as stream:
                await stream.ready()
                sender = asyncio.create_task(send(stream, frames(20, small_video())))
                with pytest.raises(Internal) as caught:
                    async for _chunk in stream.chunks():
                        pass
                await asyncio.gather(sender, return_exceptions=True)
            assert "a bug" not in caught.value.message
            assert caught.value.stage == "generator"
            assert "stream x" in caught.value.message
            summary = stream.summary
            assert summary is not None, "the summary comes on errors too"
            for stage in summary.stages:
                dropped = sum(d.count for d in stage.dropped if d.reason not in (5, 6))
                assert stage.in_frames + stage.made_frames == stage.out_frames + dropped + stage.failed_frames


async def test_controls_reach_their_stage_before_the_frames_that_follow() -> None:
    recording = StageOf("editor", Recording)
    async with loopback(identities(recording)) as servers, connect(addresses_of(servers)) as reelwire:
        offer = Offer(0, PayloadKind.FRAMES, small_video(), (PixelLayout.RGB24,))
        async with reelwire.stream(StreamConfig(route=STAGES), (offer,)) as stream:
            await stream.ready()
            await stream.control(Control(stage="editor", from_pts=3, effect=EffectChange(index=0)))
            sender = asyncio.create_task(send(stream, frames(5, small_video())))
            async for _chunk in stream.chunks():
                pass
            await sender
    stage = recording.made[0]
    assert isinstance(stage, Recording)
    assert [control.from_pts for control in stage.controls] == [3]
    assert stage.closed == 1


async def test_a_live_source_drops_its_oldest_frames_and_says_so() -> None:
    slow = StageOf("generator", Slow)
    async with loopback([slow]) as servers, connect(addresses_of(servers)) as reelwire:
        config = StreamConfig(route=["generator"], policy=Policy.POLICY_LIVE, latency_budget_ms=60_000)
        offer = Offer(0, PayloadKind.FRAMES, small_video(), (PixelLayout.RGB24,))
        async with reelwire.stream(config, (offer,)) as stream:
            await stream.ready()
            for each in frames(50, small_video()):
                await stream.send(Chunk(0, each))  # never waits, although nothing is taken
            Slow.gate.release(100)
            ending = asyncio.create_task(stream.end())
            back = [chunk async for chunk in stream.chunks()]
            await ending
            told = sum(dropped.count for chunk in back for dropped in chunk.dropped)
    arrived = [pts for chunk in back if isinstance(chunk.payload, Frames) for pts in chunk.payload.pts]
    lost = sum(dropped.count for dropped in stream.dropped)
    assert arrived == sorted(arrived)
    assert arrived[-1] == 49, "the newest frame is never the one that goes"
    assert lost > 0
    assert len(arrived) + lost == 50
    assert told == lost, "the drop is carried on a later chunk"


async def test_frames_beyond_their_budget_are_not_worked_on() -> None:
    recording = StageOf("generator", Recording)
    async with loopback([recording]) as servers, connect(addresses_of(servers)) as reelwire:
        config = StreamConfig(route=["generator"], policy=Policy.POLICY_LIVE, latency_budget_ms=100)
        offer = Offer(0, PayloadKind.FRAMES, small_video(), (PixelLayout.RGB24,))
        async with reelwire.stream(config, (offer,)) as stream:
            await stream.ready()
            await stream.send(Chunk(0, next(frames(1, small_video()))), age_us=10_000_000)
            await stream.end()
            back = [chunk async for chunk in stream.chunks()]
            assert stream.summary is not None
    stage = recording.made[0]
    assert isinstance(stage, Recording)
    assert [(gap.count, gap.reason.name, gap.stage) for gap in stage.gaps] == [(1, "LATE", "generator")]
    assert [chunk.payload for chunk in back] == [None]
    assert [(d.reason, d.count) for d in stream.summary.stages[0].dropped] == [(1, 1)]


async def test_a_missing_next_hop_is_unavailable_by_name() -> None:
    async with loopback([IdentityFactory("preprocess")]) as servers:
        async with connect(addresses_of(servers)) as reelwire:
            offer = Offer(0, PayloadKind.FRAMES, small_video(), (PixelLayout.RGB24,))
            async with reelwire.stream(StreamConfig(route=["preprocess", "encoder"]), (offer,)) as stream:
                with pytest.raises(Unavailable, match="REELWIRE_ENCODER_ADDR"):
                    await stream.ready()


async def test_metrics_agree_with_the_summary_to_the_frame() -> None:
    before = {stage: count("out", stage) for stage in STAGES}
    _, summary = await run(identities(), StreamConfig(route=STAGES))
    for stage in summary.stages:
        assert count("out", stage.stage) - before[stage.stage] == stage.out_frames
    assert "reelwire" not in str(list(DEFAULT_REGISTRY.collect())), "one registry, and not the global one"


def count(outcome: str, stage: str) -> float:
    value = metrics.REGISTRY.get_sample_value("reelwire_frames_total", {"stage": stage, "outcome": outcome})
    return value or 0.0


async def test_errors_carry_their_class_across_every_hop() -> None:
    class Refusing(IdentityFactory):
        def open(self, opening: object) -> object:  # type: ignore[override]
            raise Unavailable("not today", stage="encoder")

    async with loopback(identities(Refusing("encoder"))) as servers:  # type: ignore[arg-type]
        async with connect(addresses_of(servers)) as reelwire:
            offer = Offer(0, PayloadKind.FRAMES, small_video(), (PixelLayout.RGB24,))
            async with reelwire.stream(StreamConfig(route=STAGES), (offer,)) as stream:
                with pytest.raises(ReelwireError) as caught:
                    await stream.ready()
    assert (type(caught.value), caught.value.stage) == (Unavailable, "encoder")
    assert caught.value.message == "not today"
