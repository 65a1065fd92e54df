"""Wherever pixels lie: what is under way is bounded in both directions, and a stream that is left leaves
nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from reelwire.client.stream import Stream
from reelwire.hop.checks import STAGES
from reelwire.media import Chunk, Frames
from reelwire.stage import Opened, Opening, StageFactory
from reelwire.testing import IdentityFactory, frames
from reelwire.v1.config_pb2 import StreamConfig
from tests.contracts.live_chain import PLACES, until
from tests.contracts.live_stages import Gate, WatchedFactory
from tests.contracts.places import (
    LIVENESS_S,
    VIDEO,
    Inverting,
    Placed,
    carry,
    left_over,
    placed,
    same,
)
from tests.e2e.callers import active, settles
from tests.reelwire.hop.stages import StageOf

CREDIT = 2
HELD_EACH_HOP = 2 + CREDIT + 2  # ready, under credit, at work and waiting to be ready
RETURNED = 8  # chunks for which the SDK gives credit
COUNT = 120
CHECKS = 20  # calls during which more would come, if more could


class Sent:
    """Notes how many frames a sender was let send."""

    def __init__(self, count: int) -> None:
        self.given = list(frames(count, VIDEO))
        self.count = 0

    def __iter__(self) -> Iterator[Frames]:
        for each in self.given:
            yield each
            self.count += 1


def four(slow: str, gate: Gate) -> list[StageFactory]:
    """Stages that write; one that works only when it may."""
    return [WatchedFactory(stage, gate) if stage == slow else StageOf(stage, Inverting) for stage in STAGES]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("slow", STAGES)
async def test_before_a_stage_that_takes_nothing_only_what_there_is_credit_for_is_under_way(
    folder: Path, place: str, slow: str
) -> None:
    gate, sent = Gate(), Sent(COUNT)
    bound = HELD_EACH_HOP * (STAGES.index(slow) + 1)
    async with placed(four(slow, gate), place, folder) as services:
        async with services.stream(StreamConfig(route=STAGES, credit_chunks=CREDIT)) as stream:
            carrying = asyncio.create_task(carry(stream, sent))
            await until("as much is under way as may be", lambda: sent.count >= CREDIT + 1)
            for _ in range(CHECKS):
                await services.serves()
                assert sent.count <= bound
            gate.open()
            back = await carrying
            assert [each.pts for each in back] == [each.pts for each in sent.given]
            assert stream.summary is not None
            assert [stage.out_frames for stage in stream.summary.stages] == [COUNT] * 4


@pytest.mark.parametrize("place", PLACES)
async def test_behind_a_reader_that_does_not_read_only_what_there_is_credit_for_is_under_way(
    folder: Path, place: str
) -> None:
    sent = Sent(COUNT)
    chain = [StageOf(stage, Inverting) for stage in STAGES]
    bound = HELD_EACH_HOP * 4 + 4 * (RETURNED + HELD_EACH_HOP)
    async with placed(chain, place, folder) as services:
        async with services.stream(StreamConfig(route=STAGES, credit_chunks=CREDIT)) as stream:
            await stream.ready()
            sending = asyncio.create_task(send_all(stream, sent))
            await until("as much is under way as may be", lambda: sent.count >= RETURNED)
            for _ in range(CHECKS):
                await services.serves()
                assert sent.count <= bound
            back = [each.payload async for each in stream.chunks() if isinstance(each.payload, Frames)]
            await sending
            assert same(back, sent.given)


async def send_only(stream: Stream, sent: Sent) -> None:
    for each in sent:
        await stream.send(Chunk(0, each))


async def send_all(stream: Stream, sent: Sent) -> None:
    await send_only(stream, sent)
    await stream.end()


class SlowToOpen(IdentityFactory):
    """Opens a stream of that name only when it may."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.opening, self.go_on = threading.Event(), threading.Event()

    def open(self, opening: Opening) -> Opened:
        if opening.config.stream_id == "left":
            self.opening.set()
            self.go_on.wait(LIVENESS_S)
        return super().open(opening)


@asynccontextmanager
async def nothing_left(services: Placed) -> AsyncIterator[None]:
    """After the block no slot is taken and no memory shared, and the next stream is whole."""
    yield
    await services.serves()
    await settles("slots", lambda: sum(map(active, STAGES)), 0)
    await settles("rings", lambda: len(left_over(services.folder)), 0)
    given = list(frames(10, VIDEO))
    async with services.stream(StreamConfig(route=STAGES)) as stream:
        assert same(await carry(stream, given), given)
    await settles("rings", lambda: len(left_over(services.folder)), 0)


async def left_when(
    services: Placed, ready: Callable[[], bool], sent: Sent, *, end: bool = False, read: int = -1
) -> None:
    """A stream that is left at a time; nothing here keeps what came back. ``read``: chunks; -1: not even
    whether it was accepted."""
    async with services.stream(StreamConfig(route=STAGES, stream_id="left")) as stream:
        sending = asyncio.create_task(send_all(stream, sent) if end else send_only(stream, sent))
        if read >= 0:
            await stream.ready()
        async with aclosing(stream.chunks()) as chunks:
            for _ in range(read):
                await anext(chunks)
        await until("the time to leave", ready)
        if end:
            await asyncio.wait_for(sending, LIVENESS_S)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("slow", STAGES)
async def test_a_stream_left_before_it_is_accepted_leaves_nothing(
    folder: Path, place: str, slow: str
) -> None:
    held = SlowToOpen(slow)
    async with placed(passing(held), place, folder) as services:
        async with nothing_left(services):
            await left_when(services, held.opening.is_set, Sent(3))
            held.go_on.set()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("slow", STAGES)
@pytest.mark.parametrize("end", [False, True], ids=["under way", "after End"])
async def test_a_stream_left_while_a_stage_works_leaves_nothing(
    folder: Path, place: str, slow: str, end: bool
) -> None:
    gate = Gate()
    held = WatchedFactory(slow, gate)
    async with placed(passing(held), place, folder) as services:
        async with nothing_left(services):
            works = lambda: bool(held.stage.fed)  # noqa: E731
            await left_when(services, works, Sent(3 if end else COUNT), end=end, read=0)
            gate.open()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", [False, True], ids=["under way", "after End"])
async def test_a_stream_left_while_frames_come_back_leaves_nothing(
    folder: Path, place: str, end: bool
) -> None:
    chain = [StageOf(stage, Inverting) for stage in STAGES]
    async with placed(chain, place, folder) as services:
        async with nothing_left(services):
            await left_when(services, lambda: True, Sent(10 if end else COUNT), end=end, read=3)


def passing(held: StageFactory) -> list[StageFactory]:
    """The others hand on what they get."""
    return [held if stage == held.name else IdentityFactory(stage) for stage in STAGES]
