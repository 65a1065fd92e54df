"""A caller that can do everything wrong, and services that must not mind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np

from reelwire import metrics
from reelwire.client import connect
from reelwire.client.stream import Stream
from reelwire.errors import NoSlot, ReelwireError
from reelwire.formats import offer_to_proto
from reelwire.hop.channels import grpc_options, process_path, send
from reelwire.hop.checks import STAGES
from reelwire.media import Chunk, Frames, Offer, PayloadKind, VideoFormat
from reelwire.server import Server
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.status import from_rpc_error
from reelwire.testing import addresses_of, frames, loopback, small_video
from reelwire.v1 import media_pb2 as media
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import End, ProcessRequest, ProcessResponse, Summary
from services.encoder.stage import EncoderFactory
from services.generator.stage import GeneratorFactory

LIVENESS_S = 60.0
VIDEO = small_video()
LARGEST_MESSAGE_BYTES = 512 << 20


def factories(*stages: str, models: Path | None = None) -> list[StageFactory]:
    """Real services. ``models``: a folder with more models than those that ship."""
    settings = Settings(model_path=str(models or ""))
    make = {"generator": GeneratorFactory, "encoder": EncoderFactory}
    return [make[stage](settings) for stage in stages]


def config(*route: str, **fields: Any) -> StreamConfig:
    """A stream of small RGB frames on track 0."""
    offer = offer_to_proto(Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,)))
    return StreamConfig(route=route or ["generator"], offers=[offer], **fields)


def chunk(seq: int, pts: Sequence[int] | None = None, **fields: Any) -> ProcessRequest:
    """One black frame on track 0, or as ``fields`` say."""
    pts = (seq,) if pts is None else pts
    whole = {
        "track": 0,
        "seq": seq,
        "kind": media.PAYLOAD_KIND_FRAMES,
        "pts": pts,
        "data": bytes(VIDEO.frame_bytes * len(pts)),
        **fields,
    }
    return ProcessRequest(chunk=media.Chunk(**whole))


def end(track: int = 0) -> ProcessRequest:
    return ProcessRequest(end=End(track=track))


@dataclass
class RawCall:
    """One Process call, message by message."""

    call: grpc.aio.StreamStreamCall[bytes, bytes]
    heard: list[ProcessResponse] = field(default_factory=list)

    async def send(self, *messages: ProcessRequest | bytes) -> bool:
        """False where the service has ended the call: its status says why."""
        for message in messages:
            data = message if isinstance(message, bytes) else message.SerializeToString()
            if not await send(self.call, data):
                return False
        return True

    async def until(self, *kinds: str) -> ProcessResponse:
        """Reads on to the next message of one of these kinds."""
        async for data in self.call:
            self.heard.append(ProcessResponse.FromString(data))
            if self.heard[-1].WhichOneof("message") in kinds:
                return self.heard[-1]
        raise AssertionError(f"the call ended without {kinds}")

    async def ending(self) -> ReelwireError | None:
        """Reads to the end; the error as the SDK would raise it."""
        try:
            async for data in self.call:
                self.heard.append(ProcessResponse.FromString(data))
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error, peer="service")
        return None

    @property
    def summary(self) -> Summary | None:
        """The accounts, where they came."""
        return next((each.summary for each in self.heard if each.HasField("summary")), None)

    def half_close(self) -> Any:
        """The caller closes its side."""
        return self.call.done_writing()


@asynccontextmanager
async def calling(server: Server, count: int = 1) -> AsyncIterator[list[RawCall]]:
    """Calls on one channel; cancelled where they still run."""
    options = [*grpc_options(LARGEST_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
        calls = [RawCall(channel.stream_stream(process_path(server.stages[0]))()) for _ in range(count)]
        try:
            yield calls
        finally:
            for each in calls:
                each.call.cancel()
                del each.call  # it would keep the connection open


async def good_stream(addresses: Mapping[str, str], route: Sequence[str]) -> None:
    """Ten frames go through and come back, as they were or encoded; tried again while a slot is freed."""
    until = time.monotonic() + LIVENESS_S
    while True:
        try:
            back = await through(addresses, StreamConfig(route=route))
        except NoSlot:
            assert time.monotonic() < until, "the slot was never freed"
            await asyncio.sleep(0.01)
            continue
        assert sum(each.frame_count for each in back) == 10
        pixels = [each.payload.pixels for each in back if isinstance(each.payload, Frames)]
        if pixels:
            assert np.array_equal(np.concatenate(pixels), next(frames(10, VIDEO, chunk_frames=10)).pixels)
        return


async def through(
    addresses: Mapping[str, str], stream: StreamConfig, count: int = 10, video: VideoFormat = VIDEO
) -> list[Chunk]:
    """All chunks that come back for ``count`` test pictures."""
    offer = Offer(0, PayloadKind.FRAMES, video, (video.layout,))
    async with connect(addresses) as reelwire, reelwire.stream(stream, (offer,)) as opened:
        await opened.ready()
        sender = asyncio.create_task(_send(opened, count, video, stream.chunk_frames or 1))
        back = [each async for each in opened.chunks()]
        await sender
        return back


async def _send(stream: Stream, count: int, video: VideoFormat, chunk_frames: int) -> None:
    for each in frames(count, video, chunk_frames=chunk_frames):
        await stream.send(Chunk(0, each))
    await stream.end()


def active(stage: str) -> float:
    """Slots that are taken, as /metrics says."""
    return metrics.REGISTRY.get_sample_value("reelwire_active_streams", {"stage": stage}) or 0.0


def open_files() -> int:
    """Of this process, and so of the services in it. A call keeps its connection until it is collected."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def loose_threads() -> int:
    """Threads outside the pools of a service, which are bounded and keep theirs."""
    pools = ("stage_", "copy_", "unary_")
    return sum(not thread.name.startswith(pools) for thread in threading.enumerate())


async def settles(what: str, measure: Any, expected: float) -> None:
    """Waits until ``measure()`` is at most ``expected``: a stream's end may be told before all is freed."""
    until = time.monotonic() + LIVENESS_S
    while measure() > expected:
        assert time.monotonic() < until, f"{what}: {measure()}, expected {expected}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def unharmed(
    services: Sequence[StageFactory], settings: Mapping[str, Any] | None = None
) -> AsyncIterator[dict[str, Server]]:
    """Services with one slot each, to which the block may do what it likes: as ``left_alone``."""
    async with loopback(services, {"stream_slots": 1, **(settings or {})}) as servers:
        async with left_alone(servers):
            yield servers


@asynccontextmanager
async def left_alone(servers: Mapping[str, Server]) -> AsyncIterator[None]:
    """After the block a good stream must run on the same servers, and no slot, thread or file may be left."""
    route = [stage for stage in STAGES if stage in servers]
    addresses = addresses_of(servers)

    async def idle() -> None:
        await good_stream(addresses, route)
        await settles("slots taken", lambda: sum(map(active, servers)), 0)

    await idle()
    threads, files = loose_threads(), open_files()
    yield
    await idle()
    await settles("threads", loose_threads, threads)
    await settles("open files", open_files, files)
