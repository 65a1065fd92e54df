"""Ours: four services, each a process or all in one, and a program with the SDK as producer."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.chain.window import Returned, sample
from bench.load import Load, Meter, Work
from bench.peers.ours import wait_until_serving
from bench.processes import started
from bench.table import Sample
from reelwire.cli.group import free_ports
from reelwire.client import Stream, connect
from reelwire.hop.checks import STAGES
from reelwire.hop.place import IN_PROCESS, SHARED_MEMORY
from reelwire.media import Chunk, Frames, Offer, Packets, PayloadKind
from reelwire.memory import keep_freed_buffers
from reelwire.v1.config_pb2 import Policy, StreamConfig


class WrongPlace(Exception):
    """Pixels lay elsewhere than they were told to."""


class Ours:
    """The producer. ``place``: where pixels must lie between all of them."""

    def __init__(self, place: str, addresses: dict[str, str], pids: list[int]) -> None:
        self._place = place
        self._addresses = addresses
        self._pids = pids

    def run(self, work: Work, kind: str) -> Sample:
        """One window, a stream of its own."""
        return asyncio.run(self._run(work, kind))

    async def _run(self, work: Work, kind: str) -> Sample:
        load, meter = Load(work, [os.getpid(), *self._pids]), Meter()
        offer = Offer(0, PayloadKind.FRAMES, work.video, (work.video.layout,))
        config = StreamConfig(route=STAGES, policy=Policy.POLICY_LOSSLESS, chunk_frames=1)
        config.generator.model = kind
        async with connect(self._addresses) as reelwire, reelwire.stream(config, (offer,)) as stream:
            await stream.ready()
            self._check_places(stream)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_receive(stream, Returned(work, meter)))
                async for sent_ns, pixels in load.frames_async():
                    await stream.send(Chunk(0, Frames(work.video, (sent_ns,), pixels[None])))
                await stream.end()
        return sample(load, meter)

    def _check_places(self, stream: Stream) -> None:
        found = [stream.told.accepted[stage].transport for stage in STAGES]
        first = (
            SHARED_MEMORY if self._place == IN_PROCESS else self._place
        )  # that the producer shares with them
        if found != [first, *[self._place] * (len(STAGES) - 1)]:
            raise WrongPlace(f"pixels lay {found}, expected {self._place}")


async def _receive(stream: Stream, returned: Returned) -> None:
    async for chunk in stream.chunks():
        now_ns = time.monotonic_ns()
        if isinstance(chunk.payload, Packets):
            for packet in chunk.payload.packets:
                returned.came(packet.pts, now_ns, packet.data)


@contextmanager
def running(place: str, within_s: float) -> Iterator[Ours]:
    """The services, serving; ended after ``within_s`` at the latest."""
    keep_freed_buffers()
    groups = (STAGES,) if place == IN_PROCESS else tuple((stage,) for stage in STAGES)
    ports = dict(zip(groups, free_ports(len(groups)), strict=True))
    addresses = {stage: f"127.0.0.1:{port}" for group, port in ports.items() for stage in group}
    with ExitStack() as stack:
        pids = []
        for group, port in ports.items():
            environment = {
                "REELWIRE_PORT": str(port),
                "REELWIRE_LOG_LEVEL": "warning",
                "REELWIRE_DRAIN_S": "1",
                "REELWIRE_STOP_WITH_STDIN": "1",
                **{
                    f"REELWIRE_{other.upper()}_ADDR": addresses[other]
                    for other in STAGES
                    if other not in group
                },
            }
            command = "bench.chain.service", *group
            service = stack.enter_context(started(*command, environment=environment, within_s=within_s))
            pids.append(service.pid)
        for address in set(addresses.values()):
            wait_until_serving(address)
        yield Ours(place, addresses, pids)
