"""The LIVE policy: the source drops its oldest, nothing gets older by it, nothing late is worked on, and each
frame is in the accounts, by stage and reason. Over four services and real gRPC."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from reelwire.errors import DeadlineExceeded
from reelwire.hop.checks import STAGES
from reelwire.media import DropReason
from tests.contracts.live_chain import HELD_EACH_HOP, PLACES, SOURCE, Chain, counted, live_chain, until
from tests.contracts.live_stages import LIVENESS_S, Gate, Watched, takes
from tests.e2e.callers import active

COUNT = 200
TESTSRC = "testsrc:size=16x16:rate=200:duration=1"
WORK_S = 0.01


def hops_to(slow: str, source: str) -> int:
    """From the source to the stage that is slow."""
    return STAGES.index(slow) - STAGES.index(source) if source in STAGES else STAGES.index(slow) + 1


def newest_kept(chain: Chain, source: str) -> bool:
    """True once the source has dropped what it had to: all frames exist, and only the newest wait."""
    if source == SOURCE:
        return len(chain.sent) == COUNT
    seen = counted() - chain.before
    return seen["reelwire_frames_total", "preprocess", "in"] == COUNT


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("slow", STAGES)
async def test_a_slow_stage_anywhere_makes_the_caller_drop_its_oldest_and_nobody_else(
    slow: str, place: str
) -> None:
    gate = Gate()
    async with live_chain(slow, gate, place=place) as chain:
        await chain.send(*range(COUNT))  # never waits, although one stage takes nothing
        gate.open()
        await asyncio.gather(chain.stream.end(), chain.receive())
    chain.check()
    assert set(chain.lost) == {(SOURCE, DropReason.OVERLOAD)}
    assert chain.back_pts[-1] == COUNT - 1, "the newest frame is never the one that goes"
    assert len(chain.back_pts) <= HELD_EACH_HOP * hops_to(slow, SOURCE), "what is under way is bounded"


@pytest.mark.parametrize("slow", STAGES[1:])
async def test_a_slow_stage_makes_preprocess_drop_its_oldest_where_it_is_the_source(slow: str) -> None:
    gate = Gate()
    async with live_chain(slow, gate, url=TESTSRC) as chain:
        receiving = asyncio.create_task(chain.receive())
        await until("the whole input is met", lambda: newest_kept(chain, "preprocess"))
        gate.open()
        await receiving
    chain.check()
    assert chain.stages[0].in_frames == COUNT
    assert set(chain.lost) == {("preprocess", DropReason.OVERLOAD)}
    assert chain.back_pts[-1] > COUNT // 2, "what waits is the newest"
    assert len(chain.back_pts) <= HELD_EACH_HOP * hops_to(slow, "preprocess")


async def test_a_source_that_is_itself_too_slow_leaves_out_what_is_due_for_too_long() -> None:
    async with live_chain("preprocess", takes(0.02), url=TESTSRC) as chain:  # a quarter of the rate
        await chain.receive()
    chain.check()
    assert chain.stages[0].in_frames == COUNT
    assert set(chain.lost) == {("preprocess", DropReason.OVERLOAD)}
    assert chain.back_pts[0] == 0
    assert len(chain.back_pts) < COUNT // 2


@pytest.mark.parametrize("slow", STAGES)
async def test_a_source_of_twice_the_rate_gets_no_older_than_what_is_under_way(slow: str) -> None:
    async with live_chain(slow, takes(WORK_S)) as chain:
        receiving = asyncio.create_task(chain.receive())
        start_s = time.monotonic()
        for pts in range(COUNT):
            await asyncio.sleep(max(0.0, start_s + pts * WORK_S / 2 - time.monotonic()))
            await chain.send(pts)
        await chain.stream.end()
        await receiving
    chain.check()
    assert set(chain.lost) == {(SOURCE, DropReason.OVERLOAD)}
    tail = chain.watched("encoder")
    ages_s = [at_s - chain.sent_at_s[pts] for pts, at_s in zip(tail.fed, tail.fed_at_s, strict=True)]
    assert max(ages_s) < 20 * (HELD_EACH_HOP * hops_to(slow, SOURCE) * WORK_S + 0.1)


@pytest.mark.parametrize("slow", STAGES)
async def test_of_a_burst_the_newest_frame_comes_through_and_a_pause_ends_nothing(slow: str) -> None:
    bursts = [range(start, start + 20) for start in range(0, 100, 20)]
    async with live_chain(slow, takes(WORK_S), settings={"stall_timeout_s": 0.5}) as chain:
        receiving = asyncio.create_task(chain.receive())
        for burst in bursts:
            await chain.send(*burst)
            newest = burst[-1]
            await until(f"frame {newest} comes", lambda newest=newest: newest in chain.back_pts)  # type: ignore[misc]
        await chain.stream.end()
        await receiving
    chain.check()
    assert set(chain.lost) <= {(SOURCE, DropReason.OVERLOAD)}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("late", STAGES[1:])
async def test_a_frame_past_its_budget_is_told_to_later_stages_and_worked_on_by_none(
    late: str, place: str
) -> None:
    gate, budget_s = Gate(), 0.5
    async with live_chain(late, gate, budget_ms=int(budget_s * 1000), place=place) as chain:
        receiving = asyncio.create_task(chain.receive())
        held: Watched = chain.watched(late)
        await chain.send(0)
        await until("the first is at work", lambda: held.fed == [0])
        await chain.send(1, 2, 3)
        overdue_s = time.monotonic() + budget_s
        await until("the budget is over", lambda: time.monotonic() > overdue_s)
        gate.open()
        await until("all are known to be late", lambda: sum(each.count for each in held.gaps) == 3)
        fresh = 4
        while not chain.back_pts or chain.back_pts[-1] < 4:  # one that is in time comes through
            await chain.send(fresh)
            fresh += 1
            await asyncio.sleep(0.01)
        await chain.stream.end()
        await receiving
    chain.check()
    for number, stage in enumerate(chain.stages):
        if number >= STAGES.index(late):
            assert not {1, 2, 3} & set(chain.watched(stage.stage).fed)
        missed = chain.lost[stage.stage, DropReason.LATE]
        assert chain.missed(stage.stage) == missed, "one frame in each chunk"
    assert chain.lost[late, DropReason.LATE] >= 1
    for after in STAGES[STAGES.index(late) + 1 :]:
        told = Counter({(each.stage, each.reason): each.count for each in chain.watched(after).gaps})
        assert told[late, DropReason.LATE] >= 1


async def test_a_reader_that_pauses_makes_the_source_drop_however_small_the_packets_are() -> None:
    async with live_chain("", lambda: None, encodes=True) as chain:
        for pts in range(COUNT):  # a stream of seconds would fit into a few megabytes on each way back
            await chain.send(pts)
            await asyncio.sleep(0.002)
        await asyncio.gather(chain.stream.end(), chain.receive())
    chain.check()
    assert set(chain.lost) == {(SOURCE, DropReason.OVERLOAD)}
    assert len(chain.back_pts) <= 2 * HELD_EACH_HOP * len(STAGES), "there and back"


async def test_a_reader_that_stops_ends_the_stream_of_a_live_caller_as_stalled() -> None:
    async with live_chain("encoder", lambda: None, settings={"stall_timeout_s": 0.5}) as chain:
        with pytest.raises(DeadlineExceeded) as caught:
            await asyncio.wait_for(sends_on(chain), LIVENESS_S)  # nothing that comes back is taken
        assert caught.value.reason == "STALLED"
        await ends_stalled(chain)


async def test_a_reader_that_stops_ends_the_stream_of_a_live_feed_as_stalled() -> None:
    url = TESTSRC.replace("duration=1", "duration=0")
    async with live_chain("encoder", lambda: None, url=url, settings={"stall_timeout_s": 0.5}) as chain:
        await until("all slots are free again", lambda: sum(map(active, STAGES)) == 0)
        await ends_stalled(chain)


async def sends_on(chain: Chain) -> None:
    """A frame each millisecond, until an error ends it."""
    while True:
        await chain.send(len(chain.sent))
        await asyncio.sleep(0.001)


async def ends_stalled(chain: Chain) -> None:
    """Whoever reads after all learns why it ended, and gets what had come before."""
    with pytest.raises(DeadlineExceeded) as caught:
        await chain.receive()
    assert caught.value.reason == "STALLED"
    chain.check_each_stage()
    assert chain.back_pts == sorted(set(chain.back_pts))
    await until("all slots are free again", lambda: sum(map(active, STAGES)) == 0)
