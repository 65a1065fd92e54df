"""Slots of a ring in a running stream: handed on, given back, kept, and what a stream does without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reelwire.client.stream import Stream
from reelwire.hop.checks import STAGES
from reelwire.hop.place import SHARED_MEMORY
from reelwire.hop.ring_file import MAX_SLOTS
from reelwire.hop.slots import slot_behind
from reelwire.media import Chunk, Frames
from reelwire.stage import PassThrough
from reelwire.testing import IdentityFactory, IdentityStage, frames, small_video
from reelwire.v1.config_pb2 import StreamConfig
from tests.contracts.live_chain import until
from tests.contracts.places import VIDEO, Inverting, carry, fallbacks, left_over, placed, same
from tests.reelwire.hop.stages import StageOf

Slot = tuple[str, int, int]
TINY = small_video(16, 16)
SMALL_RING = {"ring_bytes": 1 << 20}  # four slots of 320x240


def slot_of(frames: Frames) -> Slot | None:
    behind = slot_behind(frames.pixels)
    return None if behind is None else (behind.ring, behind.slot, behind.generation)


class Noting(IdentityStage):
    """Notes where the pixels lie that it is fed."""

    def __init__(self) -> None:
        self.slots: list[Slot | None] = []

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        assert isinstance(chunk.payload, Frames)
        self.slots.append(slot_of(chunk.payload))
        return super().feed(chunk)


def noted(factory: StageOf) -> list[Slot | None]:
    (stage,) = factory.made
    assert isinstance(stage, Noting)
    return stage.slots


async def test_an_untouched_frame_stays_in_its_slot_through_all_services_and_back(folder: Path) -> None:
    chain = [StageOf(stage, Noting) for stage in STAGES]
    async with placed(chain, SHARED_MEMORY, folder) as services:
        async with services.stream(StreamConfig(route=STAGES)) as stream:
            back = [slot_of(each) for each in await carry(stream, frames(40, VIDEO))]
    assert None not in back
    assert len({each[0] for each in back if each}) == 1, "one ring: the sender's"
    assert len(set(back)) == 40, "each frame was written once"
    assert [noted(factory) for factory in chain] == [back] * 4


@pytest.mark.parametrize("writer", ["generator", "encoder"])
async def test_a_stage_that_writes_gives_its_own_slots_and_all_are_used_again(
    folder: Path, writer: str
) -> None:
    chain = [StageOf(stage, Inverting if stage == writer else Noting) for stage in STAGES]
    async with placed(chain, SHARED_MEMORY, folder) as services:
        async with services.stream(StreamConfig(route=STAGES)) as stream:
            back = [each async for each in one_by_one(stream, 2 * MAX_SLOTS)]
    place = STAGES.index(writer)
    before, after = [noted(each) for each in chain[:place]], [noted(each) for each in chain[place + 1 :]]
    own = after[0] if after else back
    assert before == [before[0]] * len(before)
    assert after == [own] * len(after)
    assert not set(before[0]) & set(own)
    for used in (before[0], own):
        assert None not in used
        assert len({each[0] for each in used if each}) == 1, "one ring"
        assert len({each[1] for each in used if each}) <= MAX_SLOTS, "slots are used again"
        assert len(set(used)) == 2 * MAX_SLOTS, "each time under another generation"


async def one_by_one(stream: Stream, count: int) -> AsyncIterator[Slot | None]:
    """Each frame comes back before the next is sent, and is forgotten: where it lay."""
    await stream.ready()
    chunks = stream.chunks()
    for each in frames(count, VIDEO):
        await stream.send(Chunk(0, each))
        payload = (await anext(chunks)).payload
        assert isinstance(payload, Frames)
        slot = slot_of(payload)
        del payload
        yield slot
    await stream.end()
    assert [each async for each in chunks] == []


class Keeping(PassThrough):
    """Keeps all that it was fed, and gives copies."""

    def __init__(self) -> None:
        self.kept: list[Frames] = []

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        assert isinstance(chunk.payload, Frames)
        self.kept.append(chunk.payload)
        yield replace(chunk, payload=replace(chunk.payload, pixels=chunk.payload.pixels.copy()))


@pytest.mark.parametrize("keeper", STAGES)
async def test_a_stage_that_keeps_what_it_was_fed_never_sees_it_change_and_the_stream_goes_on(
    folder: Path, keeper: str
) -> None:
    keeping = StageOf(keeper, Keeping)
    before = STAGES[STAGES.index(keeper) - 1] if keeper != "preprocess" else "client"
    chain = [keeping if s == keeper else StageOf(s, Inverting) for s in STAGES]
    given = list(frames(30, VIDEO))
    fell_back = fallbacks(before)
    async with placed(chain, SHARED_MEMORY, folder, SMALL_RING) as services:
        async with services.stream(StreamConfig(route=STAGES)) as stream:
            back = await carry(stream, given)
        (stage,) = keeping.made
        assert isinstance(stage, Keeping)
        inverted_before = STAGES.index(keeper) % 2
        assert same(stage.kept, map(inverted, given) if inverted_before else given)
        assert same(back, map(inverted, given)), "three turn it around"
        assert fallbacks(before) - fell_back >= 30 - 4 - 1
        assert len({slot_of(each) for each in stage.kept} - {None}) == 4, "all that there were"
        assert stream.told.accepted[keeper].transport == SHARED_MEMORY
        stage.kept.clear()
        del stage, back
        keeping.made.clear()
        await until("rings are gone", lambda: left_over(folder) == [])


def inverted(frames: Frames) -> Frames:
    return replace(frames, pixels=255 - frames.pixels)


async def test_a_reader_that_keeps_what_came_back_never_sees_it_change(folder: Path) -> None:
    chain = [StageOf(stage, Inverting) for stage in STAGES]
    given = list(frames(30, VIDEO))
    fell_back = fallbacks("encoder")
    async with placed(chain, SHARED_MEMORY, folder, SMALL_RING) as services:
        async with services.stream(StreamConfig(route=STAGES)) as stream:
            back = await carry(stream, given)
        assert same(back, given)
        assert fallbacks("encoder") - fell_back >= 30 - 4 - 1


async def test_kept_frames_outlive_their_stream_and_its_services(folder: Path) -> None:
    given = list(frames(10, VIDEO))
    async with placed([IdentityFactory("editor")], SHARED_MEMORY, folder) as services:
        async with services.stream(StreamConfig(route=["editor"])) as stream:
            back = await carry(stream, given)
    assert {slot_of(each) is not None for each in back} == {True}
    assert same(back, given)


async def test_more_frames_than_a_ring_has_slots_are_never_more_than_it_may_take(folder: Path) -> None:
    tiny = list(frames(3 * MAX_SLOTS, TINY))
    keeping = StageOf("editor", Keeping)
    async with placed([keeping], SHARED_MEMORY, folder) as services:
        async with services.stream(StreamConfig(route=["editor"]), TINY) as stream:
            assert same(await carry(stream, tiny), tiny)
    (stage,) = keeping.made
    assert isinstance(stage, Keeping)
    assert same(stage.kept, tiny)
    assert len({slot_of(each) for each in stage.kept} - {None}) <= MAX_SLOTS
    keeping.made.clear()


async def test_what_a_stage_is_fed_cannot_be_written(folder: Path) -> None:
    keeping = StageOf("editor", Keeping)
    async with placed([keeping], SHARED_MEMORY, folder) as services:
        async with services.stream(StreamConfig(route=["editor"])) as stream:
            await carry(stream, frames(1, VIDEO))
    (stage,) = keeping.made
    assert isinstance(stage, Keeping)
    pixels = stage.kept[0].pixels
    with pytest.raises(ValueError, match="read-only"):
        np.add(pixels, 1, out=pixels)
    with pytest.raises(ValueError, match="WRITEABLE"):
        pixels.setflags(write=True)
    keeping.made.clear()
