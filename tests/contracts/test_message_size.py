"""Messages stay below the limit, whatever is sent and made; larger chunks arrive whole, in several."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reelwire.client import connect
from reelwire.client.stream import Stream
from reelwire.errors import TooLarge
from reelwire.hop.checks import STAGES
from reelwire.media import (
    Chunk,
    ContainerBytes,
    ContainerFormat,
    Frames,
    Offer,
    Packet,
    PacketFormat,
    Packets,
    PayloadKind,
    PixelLayout,
    Sound,
    SoundFormat,
    VideoFormat,
)
from reelwire.server import Service
from reelwire.settings import DEFAULT_MESSAGE_BYTES, MESSAGE_OVERHEAD_BYTES, Settings
from reelwire.stage import Opened, Opening
from reelwire.testing import IdentityFactory, IdentityStage, frames, small_video
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Summary
from tests.contracts.recorder import recorded_chain

SERVICES: dict[str, Service] = {
    stage: importlib.import_module(f"services.{stage}.__main__").SERVICE for stage in STAGES
}
FULL_HD = VideoFormat(1920, 1080, Fraction(1, 25), PixelLayout.I420, Fraction(25))
COUNT = 64
SMALL_LIMIT_BYTES = 1 << 20
STEREO = SoundFormat(48000, "stereo", 2, Fraction(1, 48000))
INLINE: dict[str, Any] = {"pixels": "inline"} if "pixels" in Settings.model_fields else {}


def limit(largest_payload_bytes: int) -> int:
    """Of a whole message."""
    return largest_payload_bytes + MESSAGE_OVERHEAD_BYTES


def noise() -> Frames:
    shape = (COUNT, *FULL_HD.frame_shape)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Frames(FULL_HD, tuple(range(0, 3 * COUNT, 3)), pixels)


async def all_of(stream: Stream, send: Callable[[], Any] | None = None) -> list[Chunk]:
    """Everything that comes back while ``send`` runs."""
    async with asyncio.TaskGroup() as group:
        if send is not None:
            group.create_task(send())
        async with aclosing(stream.chunks()) as chunks:
            return [chunk async for chunk in chunks]


async def through(
    addresses: dict[str, str], config: StreamConfig, offer: Offer, chunk: Chunk
) -> tuple[list[Chunk], Summary]:
    """One chunk there, and what comes back of it."""
    async with connect(addresses) as reelwire, reelwire.stream(config, (offer,)) as stream:
        await stream.ready()

        async def send() -> None:
            await stream.send(chunk)
            await stream.end()

        back = await all_of(stream, send)
        assert stream.summary is not None
        return back, stream.summary


def assert_closed(summary: Summary, stages: Iterable[str], in_frames: int) -> None:
    accounts = [(each.stage, each.in_frames, each.out_frames, each.failed_frames) for each in summary.stages]
    assert accounts == [(stage, in_frames, in_frames, 0) for stage in stages]
    assert not any(each.dropped for each in summary.stages)


@pytest.mark.slow
async def test_a_large_chunk_of_the_sdk_goes_there_and_back_in_messages_below_the_limit() -> None:
    route = ["generator", "editor"]
    given = noise()
    offer = Offer(0, PayloadKind.FRAMES, FULL_HD, (FULL_HD.layout,))
    async with recorded_chain([SERVICES[stage] for stage in route], INLINE) as (addresses, sizes):
        back, summary = await through(addresses, StreamConfig(route=route), offer, Chunk(0, given))
    parts = [chunk.payload for chunk in back if isinstance(chunk.payload, Frames)]
    assert sum((part.pts for part in parts), ()) == given.pts
    start = 0
    for part in parts:
        assert np.array_equal(part.pixels, given.pixels[start : start + len(part)])
        start += len(part)
    assert sizes.largest_bytes <= limit(DEFAULT_MESSAGE_BYTES)
    assert_closed(summary, route, COUNT)


@pytest.mark.slow
async def test_a_large_chunk_that_a_service_makes_arrives_in_messages_below_the_limit() -> None:
    route = ["preprocess", "generator", "editor"]
    config = StreamConfig(route=route, chunk_frames=COUNT)
    config.input.url = f"testsrc:size=1920x1080:rate=25:duration={COUNT / 25}"
    async with recorded_chain([SERVICES[stage] for stage in route], INLINE) as (addresses, sizes):
        async with connect(addresses) as reelwire, reelwire.stream(config) as stream:
            await stream.ready()
            back = await all_of(stream)
    assert stream.summary is not None
    pts = sum((chunk.payload.pts for chunk in back if isinstance(chunk.payload, Frames)), ())
    assert len(pts) == COUNT
    assert list(pts) == sorted(set(pts))
    assert max(sizes.there["generator"]) > DEFAULT_MESSAGE_BYTES // 2, "as many frames in each as fit"
    assert sizes.largest_bytes <= limit(DEFAULT_MESSAGE_BYTES)
    assert_closed(stream.summary, route, COUNT)


class MakingStage(IdentityStage):
    """Gives one large chunk at the end."""

    def __init__(self, made: Chunk) -> None:
        self._made = made

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        return ()

    def flush(self) -> Iterable[Chunk]:
        return (self._made,)


class MakingFactory(IdentityFactory):
    """Opens a MakingStage."""

    def __init__(self, name: str, offer: Offer, made: Chunk) -> None:
        super().__init__(name)
        self._offer, self._made = offer, made

    def open(self, opening: Opening) -> Opened:
        opening.negotiate((self._offer,))
        return Opened(MakingStage(self._made), ())


def ramp(size_bytes: int) -> bytes:
    return (np.arange(size_bytes, dtype=np.uint32) * 2654435761 >> 24).astype(np.uint8).tobytes()


SAMPLES = np.arange(2 * 500_000, dtype=np.float32).reshape(-1, 2) / 1e6  # 4 MB
VIDEO = small_video(320, 240)
H264 = PacketFormat("h264", Fraction(1, 25), video=VIDEO)
MADE: dict[str, tuple[Offer, Chunk]] = {
    "frames": (
        Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,)),
        Chunk(0, next(frames(20, VIDEO, chunk_frames=20)), made_frames=20),
    ),
    "sound": (Offer(0, PayloadKind.SOUND, STEREO), Chunk(0, Sound(STEREO, 5, SAMPLES))),
    "packets": (
        Offer(0, PayloadKind.PACKETS, H264),
        Chunk(0, Packets(tuple(Packet(i, i, 1, i == 0, ramp(300_000 + i)) for i in range(12)))),
    ),
    "container bytes": (
        Offer(0, PayloadKind.CONTAINER_BYTES, ContainerFormat("mp4")),
        Chunk(0, ContainerBytes(ramp(5_000_000))),
    ),
}


def content(chunks: Iterable[Chunk]) -> bytes:
    """What travelled, without where it was cut."""
    parts = []
    for chunk in chunks:
        match chunk.payload:
            case Frames():
                parts.append(chunk.payload.pixels.tobytes())
            case Sound():
                parts.append(chunk.payload.samples.tobytes())
            case Packets():
                parts += [bytes(packet.data) for packet in chunk.payload.packets]
            case ContainerBytes():
                parts.append(bytes(chunk.payload.data))
    return b"".join(parts)


@pytest.mark.parametrize("kind", MADE)
async def test_a_large_chunk_of_any_kind_that_a_stage_makes_arrives_whole(kind: str) -> None:
    offer, made = MADE[kind]
    services = [MakingFactory("generator", offer, made), IdentityFactory("editor")]
    settings = {"max_message_bytes": SMALL_LIMIT_BYTES, **INLINE}
    async with recorded_chain(services, settings) as (addresses, sizes):
        async with connect(addresses) as reelwire:
            async with reelwire.stream(StreamConfig(route=["generator", "editor"])) as stream:
                await stream.ready()
                back = await all_of(stream)
    assert content(back) == content([made])
    assert len(back) > 1
    assert sizes.largest_bytes <= limit(SMALL_LIMIT_BYTES)


async def test_large_sound_of_the_sdk_goes_there_and_back_in_messages_below_the_limit() -> None:
    sound = Sound(STEREO, 5, np.tile(SAMPLES, (10, 1)))
    assert sound.samples.nbytes > DEFAULT_MESSAGE_BYTES
    offer = Offer(0, PayloadKind.SOUND, STEREO)
    async with recorded_chain([SERVICES["editor"]], INLINE) as (addresses, sizes):
        back, _ = await through(addresses, StreamConfig(route=["editor"]), offer, Chunk(0, sound))
    assert content(back) == sound.samples.tobytes()
    assert sizes.largest_bytes <= limit(DEFAULT_MESSAGE_BYTES)


async def test_a_fragment_that_is_larger_than_a_message_arrives_whole() -> None:
    """A streamable MP4 gives a whole group of pictures at once."""
    route = ["encoder"]
    config = StreamConfig(route=route)
    config.encoder.container = "mp4"
    config.encoder.video.quality = 1
    config.encoder.video.preset = "ultrafast"
    video = small_video(320, 240, PixelLayout.I420)
    pixels = np.random.default_rng(0).integers(0, 256, (40, *video.frame_shape), np.uint8)
    settings = {"max_message_bytes": SMALL_LIMIT_BYTES, **INLINE}
    async with recorded_chain([SERVICES["encoder"]], settings) as (addresses, sizes):
        async with connect(addresses) as reelwire:
            offer = Offer(0, PayloadKind.FRAMES, video, (video.layout,))
            async with reelwire.stream(config, (offer,)) as stream:
                await stream.ready()

                async def send() -> None:
                    for index, each in enumerate(pixels):
                        await stream.send(Chunk(0, Frames(video, (index,), each[None])))
                    await stream.end()

                back = await all_of(stream, send)
    assert len(content(back)) > SMALL_LIMIT_BYTES
    assert sizes.largest_bytes <= limit(SMALL_LIMIT_BYTES)
    assert stream.summary is not None
    assert stream.summary.stages[0].out_frames == len(pixels)


async def some(frames_: Iterable[Frames]) -> AsyncIterator[Frames]:
    for each in frames_:
        yield each


async def test_an_offer_of_frames_larger_than_a_message_is_refused_with_what_to_do() -> None:
    settings = {"max_message_bytes": SMALL_LIMIT_BYTES, **INLINE}
    async with recorded_chain([SERVICES["editor"]], settings) as (addresses, _):
        async with connect(addresses) as reelwire:
            config = StreamConfig(route=["editor"])
            with pytest.raises(
                TooLarge, match=r"1920x1080 .*at most 1048576; scale it down .*or raise"
            ) as told:
                async for _ in reelwire.process_frames(some(()), FULL_HD, config):
                    pass
    assert told.value.code == "RESOURCE_EXHAUSTED"


async def test_a_frame_that_grew_larger_than_a_message_ends_the_stream_with_what_to_do() -> None:
    grown = VideoFormat(4096, 4096, VIDEO.time_base)
    given = [next(frames(1, VIDEO)), Frames(grown, (1,), np.zeros((1, *grown.frame_shape), np.uint8))]
    async with recorded_chain([SERVICES["editor"]], INLINE) as (addresses, _):
        async with connect(addresses) as reelwire:
            with pytest.raises(TooLarge, match=r"4096x4096 .*at most 33488896; .*scale it down") as told:
                async for _ in reelwire.process_frames(some(given), VIDEO, StreamConfig(route=["editor"])):
                    pass
    assert told.value.code == "RESOURCE_EXHAUSTED"
