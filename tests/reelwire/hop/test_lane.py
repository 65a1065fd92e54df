"""The sending half of a hop: what waits is bounded, who waits is let go, a LIVE source drops its oldest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from reelwire.errors import Stalled, TooLarge, Unavailable
from reelwire.hop.inline import Inline
from reelwire.hop.lane import MAX_SMALL_MESSAGES, Lane, LanePolicy
from reelwire.hop.timing import Arrival, Outgoing
from reelwire.media import Chunk, ContainerBytes, Dropped, DropReason, Frames
from reelwire.testing import frames, small_video
from reelwire.v1.pipeline_pb2 import Credit, ProcessRequest
from reelwire.wire import RawChunk, parse

LIVE = LanePolicy("client", 60.0, droppable=True)
VIDEO = small_video(4, 2)


@dataclass
class Wire:
    """What was written; blocks after ``room`` messages."""

    room: int = 1_000_000
    written: list[bytes] = field(default_factory=list)

    async def write(self, data: bytes) -> None:
        if len(self.written) >= self.room:
            await asyncio.Event().wait()
        self.written.append(data)

    def chunks(self) -> list[RawChunk]:
        parsed = [parse(data, ProcessRequest) for data in self.written]
        return [each for each in parsed if isinstance(each, RawChunk)]


@pytest.fixture
def copier() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def picture(pts: int, keyframes: tuple[int, ...] = ()) -> Outgoing:
    pixels = next(frames(1, VIDEO)).pixels
    return Outgoing(Chunk(0, Frames(VIDEO, (pts,), pixels), keyframes=keyframes), Arrival(0, 0))


async def overload(lane: Lane, count: int) -> None:
    """Pictures that nobody takes."""
    for pts in range(count):
        await lane.put(picture(pts))


async def sent(lane: Lane, wire: Wire, total: int) -> list[RawChunk]:
    """Lets everything go that waits."""
    lane.grant(Credit(track=0, total=total, taken_seq=-1))
    running = asyncio.create_task(lane.run())
    await lane.finish()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return wire.chunks()


async def test_messages_for_a_reader_that_reads_none_are_not_kept_without_end(
    copier: ThreadPoolExecutor,
) -> None:
    told: list[Stalled] = []
    lane = Lane(Wire(room=0).write, LanePolicy("generator", 60.0), Inline("client", copier))
    lane.on_stuck = told.append
    for _ in range(MAX_SMALL_MESSAGES):
        lane.send(b"x")
    assert told == []
    lane.send(b"x")
    assert [error.stage for error in told] == ["generator"]
    assert "read what comes back" in told[0].message


async def test_an_overloaded_live_source_drops_its_oldest_and_numbers_what_goes_without_a_gap(
    copier: ThreadPoolExecutor,
) -> None:
    wire, lost = Wire(), list[Dropped]()
    lane = Lane(wire.write, LIVE, Inline("client", copier))
    lane.on_drop = lost.append
    await overload(lane, 1000)
    chunks = await sent(lane, wire, 1000)
    assert [(each.header.seq, list(each.header.pts)) for each in chunks] == [(0, [998]), (1, [999])]
    assert sum(each.count for each in lost) == 998
    told = [(each.count, each.reason, each.first_pts, each.last_pts) for each in chunks[0].header.dropped]
    assert told == [(998, DropReason.OVERLOAD, 0, 997)], "one entry, however many there were"


async def test_a_group_of_pictures_that_a_dropped_frame_should_have_started_is_started_by_the_next(
    copier: ThreadPoolExecutor,
) -> None:
    wire = Wire()
    lane = Lane(wire.write, LIVE, Inline("client", copier))
    for pts in range(4):
        await lane.put(picture(pts, keyframes=(0,) if pts == 1 else ()))
    assert [list(each.header.keyframes) for each in await sent(lane, wire, 10)] == [[0], []]


async def test_a_live_source_whose_receiver_takes_nothing_at_all_ends_and_does_not_drop_for_ever(
    copier: ThreadPoolExecutor,
) -> None:
    lane = Lane(Wire().write, LanePolicy("client", 0.0, droppable=True), Inline("client", copier))
    with pytest.raises(Stalled, match="took nothing for 0 s"):
        await overload(lane, 1_000_000)


async def test_a_chunk_that_no_message_takes_is_refused_by_the_settings_name(
    copier: ThreadPoolExecutor,
) -> None:
    lane = Lane(Wire().write, LanePolicy("encoder", 60.0), Inline("encoder", copier, 9))
    lane.grant(Credit(track=0, total=100, taken_seq=-1))
    await lane.put(Outgoing(Chunk(0, ContainerBytes(bytes(10))), Arrival(0, 0)))
    with pytest.raises(TooLarge, match=r"10 bytes, a message takes at most 9; .*REELWIRE_MAX_MESSAGE_BYTES"):
        await lane.run()


async def test_whoever_waits_for_room_gets_the_error_that_ended_the_stream(
    copier: ThreadPoolExecutor,
) -> None:
    lane = Lane(Wire().write, LanePolicy("generator", 60.0), Inline("client", copier))
    await lane.put(picture(0))
    await lane.put(picture(1))
    waiting = asyncio.create_task(lane.put(picture(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    lane.let_go(Unavailable("gone"))
    with pytest.raises(Unavailable, match="gone"):
        await waiting


async def test_a_live_source_that_paused_and_goes_on_at_once_loses_nothing_to_a_receiver_that_takes_all(
    copier: ThreadPoolExecutor,
) -> None:
    wire, lost = Wire(), list[Dropped]()
    lane = Lane(wire.write, LanePolicy("client", 0.05, droppable=True), Inline("client", copier))
    lane.on_drop = lost.append
    lane.grant(Credit(track=0, total=1000, taken_seq=-1))
    running = asyncio.create_task(lane.run())
    await lane.put(picture(0))
    await asyncio.sleep(0.1)  # the pause: longer than a receiver may take nothing
    for pts in range(1, 100):
        await lane.put(picture(pts))
    await lane.finish()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [pts for each in wire.chunks() for pts in each.header.pts] == list(range(100))
    assert lost == []
