"""A caller that shares a ring and may lie about it: raw calls beside a real ring file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reelwire.hop.ring_file import Entry, RingFile, create
from reelwire.server import Server
from reelwire.v1 import config_pb2
from reelwire.v1 import media_pb2 as media
from reelwire.v1.pipeline_pb2 import Attached, Credit, ProcessRequest
from tests.e2e.callers import VIDEO, RawCall, calling, config

SLOTS_AT = 8192  # bytes: where this owner's slots begin
RING_BYTES = 1 << 20


class Owner:
    """Writes a ring as the real owner does, and whatever else it likes. ``file``: writable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file, self.name = create(folder, RING_BYTES)
        self.file.allocate(SLOTS_AT, VIDEO.frame_bytes * 4)
        for slot in range(4):
            self.put(slot, SLOTS_AT + slot * VIDEO.frame_bytes, VIDEO.frame_bytes, 1)

    def put(self, slot: int, offset: int, capacity: int, generation: int) -> None:
        self.file.set_entry(slot, Entry(offset, capacity, generation))

    @property
    def ring(self) -> config_pb2.Ring:
        return config_pb2.Ring(name=self.name, token=self.file.token, owner="client")

    def ref(self, slot: int = 0, generation: int = 1, size_bytes: int = VIDEO.frame_bytes) -> media.SlotRef:
        return media.SlotRef(ring=self.name, slot=slot, generation=generation, size_bytes=size_bytes)

    def close(self) -> None:
        (self.folder / self.name).unlink(missing_ok=True)
        self.file.close()


def confirm(file: RingFile, attached: Attached) -> bool:
    """As a real caller: echoes the nonce that the service wrote."""
    return file.confirm(attached.reader, attached.nonce)


def slot_chunk(seq: int, ref: media.SlotRef, **fields: Any) -> ProcessRequest:
    whole = {"track": 0, "seq": seq, "kind": media.PAYLOAD_KIND_FRAMES, "pts": (seq,), "slot": ref, **fields}
    return ProcessRequest(chunk=media.Chunk(**whole))


@asynccontextmanager
async def sharing(
    server: Server, folder: Path, *, honest: bool = True
) -> AsyncIterator[tuple[RawCall, Owner]]:
    """A stream that is accepted and has credit. ``honest``: the nonce was echoed."""
    owner = Owner(folder)
    try:
        async with calling(server) as (call,):
            await call.send(ProcessRequest(config=config(server.stages[0], rings=[owner.ring])))
            accepted = (await call.until("accepted")).accepted
            assert accepted.transport == "shared_memory"
            if honest:
                assert [confirm(owner.file, each) for each in accepted.attached] == [True]
            await call.until("credit")
            await call.send(ProcessRequest(credit=Credit(track=0, total=100, taken_seq=-1)))
            yield call, owner
    finally:
        owner.close()
