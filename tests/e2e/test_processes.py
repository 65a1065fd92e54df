"""Services as processes: what their callers and they themselves do when one is killed, or told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from reelwire.cli.group import Group, running_services
from reelwire.cli.processes import ServiceProcess
from reelwire.client import connect
from reelwire.client.stream import Stream
from reelwire.errors import Draining, ReelwireError, Unavailable
from reelwire.media import Chunk, Offer, PayloadKind
from reelwire.testing import frames
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Notice
from tests.e2e.callers import LIVENESS_S, VIDEO, good_stream, settles

pytestmark = pytest.mark.slow
CHAIN = ("generator", "editor", "encoder")
OFFER = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))


@asynccontextmanager
async def running_stream(group: Group, *route: str) -> AsyncIterator[Stream]:
    """A stream whose first frames have come back."""
    config = StreamConfig(route=route)
    config.encoder.video.preset = "ultrafast"
    config.encoder.video.gop_frames = 1
    async with connect(group.addresses) as reelwire, reelwire.stream(config, (OFFER,)) as stream:
        await stream.ready()
        yield stream


async def endless(stream: Stream) -> None:
    """Frames until the stream is over."""
    pts = 0
    picture = next(frames(1, VIDEO))
    while True:
        await stream.send(Chunk(0, type(picture)(VIDEO, (pts,), picture.pixels)))
        pts += 1


async def ended(service: ServiceProcess) -> int:
    return await asyncio.wait_for(service.process.wait(), LIVENESS_S)


@pytest.mark.parametrize("victim", CHAIN)
async def test_a_killed_service_ends_the_stream_with_its_name_and_the_others_serve_on(victim: str) -> None:
    async with running_services(CHAIN) as group:
        async with running_stream(group, *CHAIN) as stream:
            sender = asyncio.create_task(endless(stream))
            chunks = stream.chunks()
            await anext(chunks)
            group.services[victim].process.kill()
            with pytest.raises(Unavailable) as caught:
                await asyncio.wait_for(read_out(chunks), LIVENESS_S)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        assert caught.value.stage == victim
        assert f"{victim} at {group.addresses[victim]} is not there" in caught.value.message
        for stage in CHAIN:
            if stage != victim and victim not in CHAIN[CHAIN.index(stage) :]:
                await good_stream(group.addresses, [stage])


async def read_out(chunks: AsyncIterator[Chunk]) -> list[Chunk]:
    return [chunk async for chunk in chunks]


async def test_a_service_that_is_told_to_stop_ends_its_stream_well_and_exits_with_0() -> None:
    async with running_services(("generator",), environment={"REELWIRE_DRAIN_S": "60"}) as group:
        service = group.services["generator"]
        async with running_stream(group, "generator") as stream:
            await stream.send(Chunk(0, next(frames(1, VIDEO))))
            chunks = stream.chunks()
            await anext(chunks)
            async with grpc.aio.insecure_channel(service.place.address) as channel:
                watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
                assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
                service.process.send_signal(signal.SIGTERM)
                assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
                watching.cancel()
            with pytest.raises(Draining):
                async with running_stream(group, "generator"):
                    pass
            for each in list(frames(5, VIDEO))[1:]:
                await stream.send(Chunk(0, each))
            await stream.end()
            assert len(await read_out(chunks)) == 4
            kinds = [notice.kind for notice in stream.told.notices]
            assert kinds == [Notice.KIND_MOVE]
            assert stream.summary is not None
            assert stream.summary.stages[0].out_frames == 5
        assert await ended(service) == 0


async def test_a_stream_that_does_not_end_is_cut_when_the_time_to_drain_is_over() -> None:
    async with running_services(("generator",), environment={"REELWIRE_DRAIN_S": "0.2"}) as group:
        async with running_stream(group, "generator") as stream:
            group.services["generator"].process.send_signal(signal.SIGTERM)
            with pytest.raises(ReelwireError) as caught:
                await asyncio.wait_for(read_out(stream.chunks()), LIVENESS_S)
        assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "DRAINING")
        assert await ended(group.services["generator"]) == 0


async def test_a_second_signal_ends_a_service_at_once() -> None:
    async with running_services(("generator",), environment={"REELWIRE_DRAIN_S": "600"}) as group:
        service = group.services["generator"]
        async with running_stream(group, "generator") as stream:
            service.process.send_signal(signal.SIGTERM)
            await settles("drains that have not begun", lambda: not stream.told.notices, 0)
            service.process.send_signal(signal.SIGTERM)
            with pytest.raises(Unavailable, match=r"generator at .* is not there"):
                await asyncio.wait_for(read_out(stream.chunks()), LIVENESS_S)
            assert await ended(service) == 1
