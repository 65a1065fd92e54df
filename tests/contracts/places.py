"""Services with pixels in a chosen place, frames through them, and what a stream leaves behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from reelwire import metrics
from reelwire.client import Reelwire, connect
from reelwire.client.stream import Stream
from reelwire.hop.place import IN_PROCESS
from reelwire.hop.rings import PixelPolicy
from reelwire.media import Chunk, Frames, Offer, PayloadKind, VideoFormat
from reelwire.stage import StageFactory
from reelwire.testing import IdentityStage, small_video
from reelwire.v1.config_pb2 import StreamConfig
from tests.contracts.live_chain import serving

VIDEO = small_video(320, 240)  # 230,400 bytes a frame
LIVENESS_S = 60.0


@dataclass(frozen=True)
class Placed:
    """Services that run. ``place``: where pixels lie between them, and on the way there where that can be."""

    reelwire: Reelwire
    addresses: Mapping[str, str]
    place: str
    folder: Path

    def stream(self, config: StreamConfig, video: VideoFormat = VIDEO) -> Stream:
        return self.reelwire.stream(config, (Offer(0, PayloadKind.FRAMES, video, (video.layout,)),))

    async def serves(self) -> None:
        """Every process answers, whatever its streams do."""
        for address in self.addresses.values():
            async with grpc.aio.insecure_channel(address) as channel:
                check = health_pb2_grpc.HealthStub(channel).Check
                answer = await check(health_pb2.HealthCheckRequest(), timeout=LIVENESS_S)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING


@asynccontextmanager
async def placed(
    factories: Sequence[StageFactory], place: str, folder: Path, settings: Mapping[str, Any] | None = None
) -> AsyncIterator[Placed]:
    """A caller in another process is never in this one: on its hop they lie in the best place there is."""
    pinned = "" if place == IN_PROCESS else place
    given = {"shm_dir": folder, **(settings or {})}
    policy = PixelPolicy(pinned, folder, given.get("ring_bytes", 256 << 20))
    async with serving(factories, place, given) as addresses, connect(addresses, policy) as reelwire:
        yield Placed(reelwire, addresses, place, folder)


async def send(stream: Stream, given: Iterable[Frames]) -> None:
    for each in given:
        await stream.send(Chunk(0, each))
    await stream.end()


async def carry(stream: Stream, given: Iterable[Frames]) -> list[Frames]:
    """All that comes back for these; pixels as they lie."""
    await stream.ready()
    sender = asyncio.create_task(send(stream, given))
    back = [each.payload async for each in stream.chunks() if isinstance(each.payload, Frames)]
    await sender
    return back


def same(back: Iterable[Frames], given: Iterable[Frames]) -> bool:
    """Frame by frame: pts, format and bytes."""
    one, other = ([each[i : i + 1] for each in many for i in range(len(each))] for many in (back, given))
    return len(one) == len(other) and all(
        (a.pts, a.format, a.pixels.shape) == (b.pts, b.format, b.pixels.shape)
        and np.array_equal(a.pixels, b.pixels)
        for a, b in zip(one, other, strict=True)
    )


class Inverting(IdentityStage):
    """Writes every pixel; an even number of them gives what came in."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        frames = chunk.payload
        assert isinstance(frames, Frames)
        return super().feed(replace(chunk, payload=replace(frames, pixels=255 - frames.pixels)))


def left_over(folder: Path) -> list[str]:
    """Rings of that folder that exist or are mapped here, under a name or without."""
    gc.collect()
    maps = Path("/proc/self/maps")
    mapped = [line for line in maps.read_text().splitlines() if str(folder) in line] if maps.exists() else []
    return sorted(each.name for each in folder.iterdir()) + mapped


def fallbacks(stage: str) -> float:
    """Chunks that were sent in messages for want of a slot."""
    labels = {"stage": stage}
    return metrics.REGISTRY.get_sample_value("reelwire_slot_fallbacks_total", labels) or 0.0


def streams_by_place(stage: str) -> dict[str, float]:
    """As /metrics says; without zeros."""
    samples = [each for metric in metrics.REGISTRY.collect() for each in metric.samples]
    return {
        each.labels["transport"]: each.value
        for each in samples
        if each.name == "reelwire_transport_info" and each.labels["stage"] == stage and each.value
    }
