"""Rings and slots that are not what they seem: refused, and nothing outside the ring is ever read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reelwire.client import connect
from reelwire.errors import ReelwireError
from reelwire.hop.ring_file import HEADER_BYTES, MAX_SLOTS
from reelwire.hop.rings import PixelPolicy
from reelwire.media import Offer, PayloadKind
from reelwire.server import Server
from reelwire.testing import IdentityFactory, frames, loopback
from reelwire.v1 import media_pb2 as media
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Batch, ProcessRequest, Release
from tests.contracts.hostile import RING_BYTES, SLOTS_AT, Owner, sharing, slot_chunk
from tests.contracts.places import carry, left_over, same
from tests.e2e.callers import VIDEO, active, end, open_files, settles

FRAME_BYTES = VIDEO.frame_bytes
Wrong = Callable[[Owner], media.SlotRef]


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Server]:
    async with loopback([IdentityFactory("editor")], {"shm_dir": folder}) as servers:
        yield servers["editor"]


@asynccontextmanager
async def another_stream(server: Server, folder: Path) -> AsyncIterator[None]:
    """A good one, open all the while, and whole in the end."""
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
    address = {"editor": f"127.0.0.1:{server.port}"}
    async with connect(address, PixelPolicy("", folder)) as reelwire:
        async with reelwire.stream(StreamConfig(route=["editor"]), (offer,)) as stream:
            await stream.ready()
            files = open_files()
            yield
            await settles("open files", open_files, files)
            given = list(frames(10, VIDEO))
            assert same(await carry(stream, given), given)
            assert stream.told.accepted["editor"].transport == "shared_memory"
    await settles("slots", lambda: active("editor"), 0)
    await settles("rings", lambda: len(left_over(folder)), 0)


async def test_a_slot_that_is_what_it_says_is_taken_and_comes_back_by_its_handle(
    server: Server, folder: Path
) -> None:
    async with sharing(server, folder) as (call, owner):
        await call.send(slot_chunk(0, owner.ref(3)))
        back = (await call.until("chunk")).chunk
        assert (back.slot.ring, back.slot.slot, back.slot.generation) == (owner.name, 3, 1)
        await call.send(ProcessRequest(release=Release(ring=owner.name, slot=3, generation=1)))
        await call.send(
            slot_chunk(1, owner.ref(2))
        )  # a stage's thread keeps a chunk until the next one comes
        given_back = (await call.until("release")).release
        assert (given_back.ring, given_back.slot, given_back.generation) == (owner.name, 3, 1)
        await call.send(end())
        assert await call.ending() is None


def tampered(slot: int, offset: int, capacity: int, size_bytes: int = FRAME_BYTES) -> Wrong:
    """The owner's own header lies."""

    def wrong(owner: Owner) -> media.SlotRef:
        owner.put(slot, offset, capacity, 7)
        return owner.ref(slot, 7, size_bytes)

    return wrong


def elsewhere(name: str) -> Wrong:
    return lambda owner: media.SlotRef(ring=name, slot=0, generation=1, size_bytes=FRAME_BYTES)


WHOLE = HEADER_BYTES + RING_BYTES
REFS: dict[str, tuple[Wrong, str]] = {
    "slot -1": (lambda owner: owner.ref(-1), "slot -1; expected 0 to 127"),
    "slot 128": (lambda owner: owner.ref(MAX_SLOTS), "slot 128; expected 0 to 127"),
    "slot 2**31-1": (lambda owner: owner.ref(2**31 - 1), "expected 0 to 127"),
    "slot that was never made": (lambda owner: owner.ref(99), "slot 99 of generation 1 is stale; it holds 0"),
    "stale": (lambda owner: (owner.put(0, SLOTS_AT, FRAME_BYTES, 2), owner.ref())[1], "is stale; it holds 2"),
    "of the future": (lambda owner: owner.ref(generation=2), "generation 2 is stale; it holds 1"),
    "generation 0": (lambda owner: owner.ref(99, 0), "generation 0 is stale"),
    "generation -1": (lambda owner: owner.ref(generation=-1), "generation -1 is stale"),
    "one byte more": (lambda owner: owner.ref(size_bytes=FRAME_BYTES + 1), f"expected 1 to {FRAME_BYTES}"),
    "huge": (lambda owner: owner.ref(size_bytes=2**62), f"{2**62} bytes in slot 0; expected 1 to"),
    "no bytes": (lambda owner: owner.ref(size_bytes=0), "0 bytes in slot 0"),
    "bytes below 0": (lambda owner: owner.ref(size_bytes=-1), "-1 bytes in slot 0"),
    "entry in the header": (tampered(0, 0, HEADER_BYTES, HEADER_BYTES), "bytes in slot 0"),
    "entry before the slots": (tampered(0, HEADER_BYTES - 1, FRAME_BYTES), "bytes in slot 0"),
    "entry over the end": (tampered(0, WHOLE - FRAME_BYTES + 1, FRAME_BYTES), "bytes in slot 0"),
    "entry behind the end": (tampered(0, 2**40, FRAME_BYTES), "bytes in slot 0"),
    "entry that wraps around": (tampered(0, 2**64 - FRAME_BYTES, 2 * FRAME_BYTES), "bytes in slot 0"),
    "entry with a huge capacity": (tampered(0, SLOTS_AT, 2**64 - 1, 2**62), "bytes in slot 0"),
    "unknown ring": (elsewhere("reelwire-" + 32 * "0" + ".ring"), "which is not shared on this stream"),
    "path": (elsewhere("../../etc/passwd"), "which is not shared on this stream"),
    "no name": (elsewhere(""), "which is not shared on this stream"),
}


@pytest.mark.parametrize(("wrong", "text"), REFS.values(), ids=REFS)
@pytest.mark.parametrize("batched", [False, True], ids=["alone", "in a batch"])
async def test_a_reference_to_what_may_not_be_read_ends_its_stream_and_no_other(
    server: Server, folder: Path, wrong: Wrong, text: str, batched: bool
) -> None:
    async with another_stream(server, folder):
        async with sharing(server, folder) as (call, owner):
            message = slot_chunk(0, wrong(owner))
            batch = Batch(messages=[message.SerializeToString()])
            await call.send(ProcessRequest(batch=batch) if batched else message)
            refused(await call.ending(), text)
            assert not [each for each in call.heard if each.HasField("chunk")]


def refused(error: ReelwireError | None, text: str) -> None:
    assert isinstance(error, ReelwireError)
    assert (error.code, error.reason, error.stage) == ("INVALID_ARGUMENT", "BAD_SLOT", "editor")
    assert text in error.message


async def test_the_ring_of_another_stream_is_not_read(server: Server, folder: Path) -> None:
    async with another_stream(server, folder):
        async with sharing(server, folder) as (one, theirs), sharing(server, folder) as (other, _):
            await other.send(slot_chunk(0, theirs.ref()))
            refused(await other.ending(), "which is not shared on this stream")
            await one.send(slot_chunk(0, theirs.ref()), end())
            assert (await one.until("chunk")).chunk.slot.ring == theirs.name


async def test_a_slot_before_its_ring_is_confirmed_is_not_read(server: Server, folder: Path) -> None:
    async with another_stream(server, folder):
        async with sharing(server, folder, honest=False) as (call, owner):
            await call.send(slot_chunk(0, owner.ref()))
            refused(await call.ending(), "which was never confirmed")


RELEASES = {
    "twice": [(3, 1), (3, 1)],
    "another slot": [(2, 1)],
    "another generation": [(3, 2)],
    "slot -1": [(-1, 1)],
}


@pytest.mark.parametrize("given", RELEASES.values(), ids=RELEASES)
async def test_a_release_of_what_was_not_handed_over_ends_its_stream_and_no_other(
    server: Server, folder: Path, given: list[tuple[int, int]]
) -> None:
    async with another_stream(server, folder):
        async with sharing(server, folder) as (call, owner):
            await call.send(slot_chunk(0, owner.ref(3)))
            await call.until("chunk")
            for slot, generation in given:
                release = Release(ring=owner.name, slot=slot, generation=generation)
                await call.send(ProcessRequest(release=release))
            refused(await call.ending(), "which was not handed over")
