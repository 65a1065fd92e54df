"""Ours: the SDK in one process, a service in the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.load import Load, Meter, Work
from bench.service import serve
from reelwire.client import Stream, connect
from reelwire.media import Chunk, Frames, Offer, PayloadKind
from reelwire.memory import keep_freed_buffers
from reelwire.v1.config_pb2 import Policy, StreamConfig

NAME = "ours"
NEEDS = ()
ECHOES = True
STAGE = "generator"
START_TIMEOUT_S = 30.0


def consume(work: Work, meter: Meter, listening: Callable[[str], None]) -> None:
    """A service, until it is told to stop, which tells where it listens and what its stage measured."""
    del meter, listening
    serve("echo" if work.echo else "read", STAGE)


def produce(work: Work, load: Load, meter: Meter, address: str) -> str:
    """One stream of one frame a chunk; gives where its pixels lay."""
    keep_freed_buffers()
    wait_until_serving(address)
    return asyncio.run(_stream(work, load, meter, address))


def wait_until_serving(address: str) -> None:
    """grpc.RpcError: it does not serve in time."""
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 50)]
    with grpc.insecure_channel(address, options) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        health.Check(health_pb2.HealthCheckRequest(), timeout=START_TIMEOUT_S, wait_for_ready=True)


async def _stream(work: Work, load: Load, meter: Meter, address: str) -> str:
    video = work.video
    offer = Offer(0, PayloadKind.FRAMES, video, (video.layout,))
    config = StreamConfig(route=[STAGE], policy=Policy.POLICY_LOSSLESS, chunk_frames=1)
    async with connect({STAGE: address}) as reelwire, reelwire.stream(config, (offer,)) as stream:
        await stream.ready()
        back = asyncio.create_task(_read_back(stream, meter))
        async for sent_ns, pixels in load.frames_async():
            await stream.send(Chunk(0, Frames(video, (sent_ns,), pixels[None])))
        await stream.end()
        await back
        return stream.told.accepted[STAGE].transport


async def _read_back(stream: Stream, meter: Meter) -> None:
    async for chunk in stream.chunks():
        if isinstance(chunk.payload, Frames):
            for pts, pixels in zip(chunk.payload.pts, chunk.payload.pixels, strict=True):
                meter.took(pts, pixels)
