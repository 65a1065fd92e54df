"""Offers of rings that are not what they seem: never mapped, never chosen, never removed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from reelwire.hop.ring_file import HEADER_BYTES, create
from reelwire.hop.rings import MAX_RINGS
from reelwire.server import Server
from reelwire.testing import IdentityFactory, loopback
from reelwire.v1 import config_pb2
from reelwire.v1.pipeline_pb2 import Accepted, Attached, Credit, ProcessRequest
from tests.contracts.hostile import RING_BYTES, Owner, sharing, slot_chunk
from tests.contracts.places import left_over
from tests.e2e.callers import calling, chunk, config, end, settles

TOKEN = bytes(range(16))


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Server]:
    async with loopback([IdentityFactory("editor")], {"shm_dir": folder}) as servers:
        yield servers["editor"]
        await settles("rings", lambda: len(left_over(folder)), 0)


async def accepted(server: Server, *rings: config_pb2.Ring) -> Accepted:
    """What is said to a stream with these; it runs, with pixels in messages."""
    async with calling(server) as (call,):
        await call.send(ProcessRequest(config=config("editor", rings=rings)))
        told = (await call.until("accepted")).accepted
        await call.until("credit")
        await call.send(ProcessRequest(credit=Credit(track=0, total=9, taken_seq=-1)), chunk(0), end())
        assert (await call.until("chunk")).chunk.data
        assert await call.ending() is None
        return told


def name(number: int = 0) -> str:
    return f"reelwire-{number:032x}.ring"


def locked(path: Path) -> int:
    number = os.open(path, os.O_RDWR)
    fcntl.flock(number, fcntl.LOCK_EX)
    return number


def not_a_ring(folder: Path, size_bytes: int) -> int:
    (folder / name()).write_bytes(bytes(size_bytes))
    return locked(folder / name())


def a_link(folder: Path) -> int:
    file, real = create(folder / "deeper", RING_BYTES)
    (folder / name()).symlink_to(folder / "deeper" / real)
    return os.dup(file._number)


def a_directory(folder: Path) -> int:
    (folder / name()).mkdir()
    return os.open(os.devnull, os.O_RDWR)


def a_pipe(folder: Path) -> int:
    os.mkfifo(folder / name())
    return locked(folder / name())


FALSE: dict[str, Callable[[Path], int]] = {
    "nothing there": lambda folder: os.open(os.devnull, os.O_RDWR),
    "shorter than a header": lambda folder: not_a_ring(folder, HEADER_BYTES - 1),
    "empty": lambda folder: not_a_ring(folder, 0),
    "no magic": lambda folder: not_a_ring(folder, 2 * HEADER_BYTES),
    "link": a_link,
    "directory": a_directory,
    "pipe": a_pipe,
}


@pytest.mark.parametrize("make", FALSE.values(), ids=FALSE)
async def test_what_is_no_ring_is_not_mapped(
    server: Server, folder: Path, make: Callable[[Path], int]
) -> None:
    (folder / "deeper").mkdir()
    held = make(folder)
    try:
        told = await accepted(server, config_pb2.Ring(name=name(), token=TOKEN, owner="client"))
        assert (told.transport, list(told.attached)) == ("inline", [])
    finally:
        os.close(held)
        shutil.rmtree(folder / "deeper")
        path = folder / name()
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "path",
    ["../{}", "./{}", "deeper/{}", "{}\0", "{}/", "/dev/shm/{}", "", ".", "..", "x" * 10_000, "REELWIRE{}"],
    ids=["above", "dot", "below", "zero", "slash", "absolute", "empty", "here", "up", "long", "another"],
)
async def test_a_name_that_is_a_path_is_not_opened(server: Server, folder: Path, path: str) -> None:
    owner = Owner(folder)
    ring = owner.ring
    ring.name = path.format(ring.name)
    told = await accepted(server, ring)
    owner.close()
    assert (told.transport, list(told.attached)) == ("inline", [])


@pytest.mark.parametrize(
    "token", [b"", TOKEN, bytes(16), bytes(1 << 16)], ids=["none", "other", "zeros", "long"]
)
async def test_a_ring_under_another_token_is_not_taken(server: Server, folder: Path, token: bytes) -> None:
    owner = Owner(folder)
    ring = owner.ring
    ring.token = token
    told = await accepted(server, ring)
    owner.close()
    assert (told.transport, list(told.attached)) == ("inline", [])


async def test_a_copy_of_a_ring_is_not_taken(server: Server, folder: Path, tmp_path: Path) -> None:
    """As in a folder that was copied to another machine: the same names and tokens, and no owner."""
    elsewhere = Owner(tmp_path)
    shutil.copy(tmp_path / elsewhere.name, folder / elsewhere.name)
    told = await accepted(server, elsewhere.ring)
    assert (told.transport, list(told.attached)) == ("inline", [])
    elsewhere.close()
    (folder / elsewhere.name).unlink(missing_ok=True)


async def test_a_copy_that_somebody_else_owns_is_never_read(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    """Only the same memory shows a nonce: what is written into the copy stands in no other."""
    real, copied = Owner(tmp_path), None
    try:
        shutil.copy(tmp_path / real.name, folder / real.name)
        copied = locked(folder / real.name)
        async with calling(server) as (call,):
            await call.send(ProcessRequest(config=config("editor", rings=[real.ring])))
            told = (await call.until("accepted")).accepted
            assert [real.file.confirm(each.reader, each.nonce) for each in told.attached] == [False]
            await call.until("credit")
            await call.send(slot_chunk(0, real.ref()))
            error = await call.ending()
            assert error is not None
            assert (error.reason, "never confirmed" in error.message) == ("BAD_SLOT", True)
    finally:
        real.close()
        (folder / real.name).unlink()
        if copied is not None:
            os.close(copied)


async def test_of_ten_thousand_rings_a_few_are_looked_at(server: Server, folder: Path) -> None:
    owners = [Owner(folder) for _ in range(MAX_RINGS + 3)]
    rings = [each.ring for each in owners] + [owners[0].ring] * 10_000
    told = await accepted(server, *rings)
    for each in owners:
        each.close()
    assert [each.ring for each in told.attached] == [each.name for each in owners[:MAX_RINGS]]


FORGED = {
    "zeros": (1, bytes(16)),
    "another's": (4, bytes(range(16))),
    "none": (4, b""),
    "long": (4, bytes(1 << 16)),
    "reader -1": (-1, bytes(16)),
    "reader 16": (16, bytes(16)),
    "reader 2**31-1": (2**31 - 1, bytes(16)),
}


@pytest.mark.parametrize(("reader", "nonce"), FORGED.values(), ids=FORGED)
async def test_a_caller_that_never_mapped_the_ring_for_what_comes_back_gets_messages(
    server: Server, folder: Path, reader: int, nonce: bytes
) -> None:
    async with calling(server) as (call,):
        await call.send(ProcessRequest(config=config("editor")))
        ring = (await call.until("accepted")).accepted.ring
        assert ring.name
        forged = Attached(ring=ring.name, reader=reader, nonce=nonce)
        await call.send(ProcessRequest(attached=forged))
        await call.until("credit")
        await call.send(ProcessRequest(credit=Credit(track=0, total=9, taken_seq=-1)), chunk(0), end())
        back = (await call.until("chunk")).chunk
        assert back.data, "not a slot that it cannot read"
        assert await call.ending() is None


async def test_the_rings_of_those_who_live_are_left_alone(server: Server, folder: Path) -> None:
    """Whoever sweeps after a stream that failed removes what has no owner, and nothing else."""
    (folder / "notes.txt").write_text("mine")
    (folder / name(1)).write_bytes(b"left by somebody who was killed")
    async with sharing(server, folder) as (call, owner):
        async with calling(server) as (other,):
            await other.send(ProcessRequest(config=config("editor")))
            await other.until("credit")
            await other.send(chunk(5))
            assert await other.ending() is not None
        await settles("rings without an owner", lambda: (folder / name(1)).exists(), 0)
        assert (folder / owner.name).exists()
        assert (folder / "notes.txt").read_text() == "mine"
        await call.send(slot_chunk(0, owner.ref()), end())
        await call.until("chunk")
    (folder / "notes.txt").unlink()
