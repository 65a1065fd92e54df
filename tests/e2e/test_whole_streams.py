"""Streams at their edges run to their end: little credit and encoders that hold much, no frames, one pixel,
many streams at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from reelwire.media import Chunk, Frames, Packets
from reelwire.testing import addresses_of, loopback, small_video
from reelwire.v1.config_pb2 import Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Credit, ProcessRequest
from tests.e2e.callers import LIVENESS_S, calling, config, end, factories, through
from tests.reelwire.models import graphs

CREDIT = ProcessRequest(credit=Credit(track=0, total=1 << 20))
CODECS = ("h264", "hevc", "vp9", "av1")
MORE_THAN_ANY_HOLDS = 70


def encoded(chunks: Sequence[Chunk]) -> list[bytes]:
    """Each packet's bytes."""
    return [
        bytes(p.data) for each in chunks if isinstance(each.payload, Packets) for p in each.payload.packets
    ]


@pytest.mark.parametrize("live", [False, True], ids=["default", "live"])
@pytest.mark.parametrize("codec", CODECS)
async def test_an_encoder_that_holds_frames_does_not_stall_a_chain_with_credit_for_one(
    codec: str, live: bool
) -> None:
    stream = StreamConfig(route=["generator", "encoder"], credit_chunks=1, chunk_frames=1)
    stream.generator.model = "identity"
    stream.encoder.video.codec = codec
    if live:
        stream.policy = Policy.POLICY_LIVE
        stream.latency_budget_ms = 60_000
    video = small_video(96, 64)
    async with loopback(factories("generator", "encoder")) as servers:
        running = through(addresses_of(servers), stream, MORE_THAN_ANY_HOLDS, video)
        back = await asyncio.wait_for(running, LIVENESS_S)
    lost = sum(each.count for chunk in back for each in chunk.dropped)
    assert len(encoded(back)) + lost == MORE_THAN_ANY_HOLDS
    assert live or not lost


WINDOWS = {
    "five frames, four shared": ("frames = 5\noverlap = 4", 5, False),
    "four frames at a time": ("frames = 4", 4, True),
    "four frames, one shared": ("frames = 4\noverlap = 1", 4, True),
}


@pytest.mark.parametrize(("window", "frames", "each"), WINDOWS.values(), ids=WINDOWS)
async def test_a_model_that_sees_several_frames_runs_to_its_end_with_credit_for_one(
    tmp_path: Path, window: str, frames: int, each: bool
) -> None:
    graphs.window_mean(tmp_path / "windowed" / "model.onnx", frames=frames, each=each)
    (tmp_path / "windowed" / "model.toml").write_text(f"[window]\n{window}\n")
    stream = StreamConfig(route=["generator", "encoder"], credit_chunks=1)
    stream.generator.model = "windowed"
    stream.encoder.video.preset = "ultrafast"
    async with loopback(factories("generator", "encoder", models=tmp_path)) as servers:
        back = await asyncio.wait_for(through(addresses_of(servers), stream, 23), LIVENESS_S)
    assert len(encoded(back)) == 23


@pytest.mark.parametrize("early", [False, True], ids=["after credit", "with the config"])
@pytest.mark.parametrize("container", ["", "mp4"], ids=["packets", "container"])
async def test_a_stream_without_a_frame_ends_well(container: str, early: bool) -> None:
    stream = config("generator", "encoder")
    stream.encoder.container = container
    async with loopback(factories("generator", "encoder")) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=stream), CREDIT)
            if not early:
                await call.until("credit")
            await call.send(end())
            assert await asyncio.wait_for(call.ending(), LIVENESS_S) is None
    assert call.summary is not None
    assert [(each.in_frames, each.out_frames) for each in call.summary.stages] == [(0, 0), (0, 0)]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_picture_of_a_pixel_or_few_passes_as_it_is(size: tuple[int, int]) -> None:
    async with loopback(factories("generator")) as servers:
        back = await through(addresses_of(servers), StreamConfig(route=["generator"]), 3, small_video(*size))
    assert [each.payload.pts for each in back if isinstance(each.payload, Frames)] == [(0,), (1,), (2,)]


@pytest.mark.slow
async def test_eight_streams_at_once_give_the_bytes_that_each_gives_alone() -> None:
    videos = [small_video(64 + 16 * index, 48) for index in range(8)]
    async with loopback(factories("generator", "encoder"), {"stream_slots": 8}) as servers:
        addresses = addresses_of(servers)
        alone = [encoded(await through(addresses, many(index), 30, videos[index])) for index in range(8)]
        together = await asyncio.gather(
            *(through(addresses, many(index), 30, videos[index]) for index in range(8))
        )
    assert [encoded(each) for each in together] == alone
    assert len({b"".join(each) for each in alone}) == 8, "eight different streams"


def many(index: int) -> StreamConfig:
    """A stream unlike the others, through a model where there is one that is quick."""
    stream = StreamConfig(route=["generator", "encoder"], chunk_frames=1 + index % 3)
    stream.generator.model = "upscale" if index % 4 == 3 else "identity"
    stream.encoder.video.codec = ("h264", "vp9")[index % 2]
    return stream
