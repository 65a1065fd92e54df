"""Rings by those who read them: which there are, and views of slots that tell when nobody looks any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reelwire.errors import BadSlot
from reelwire.hop.ring_file import HEADER_BYTES, MAX_SLOTS, RingFile, attach
from reelwire.v1 import media_pb2 as pb

OnDone: TypeAlias = "Callable[[], Callable[[SlotView], None] | None]"
"""As ``WeakMethod``: arrays keep a view, and the garbage collector cannot look into arrays."""


class SlotView:
    """Read-only memory of a slot. Arrays made of it keep it; when the last is gone, ``on_done`` is called
    with it if that is still there, from whatever thread it happens on. ``address``: where its bytes begin,
    inside ``memory``."""

    __slots__ = (
        "__array_interface__",
        "_memory",
        "_on_done",
        "address",
        "generation",
        "ring",
        "size_bytes",
        "slot",
    )

    def __init__(
        self,
        ref: pb.SlotRef,
        memory: npt.NDArray[np.uint8],
        address: int,
        on_done: OnDone,
    ) -> None:
        self.ring = ref.ring
        self.slot = ref.slot
        self.generation = ref.generation
        self.size_bytes = ref.size_bytes
        self.address = address
        self._memory = memory  # keeps the mapping
        self._on_done = on_done
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (self.size_bytes,),
            "data": (address, True),
        }

    def __del__(self) -> None:
        on_done = self._on_done()
        if on_done is not None:
            on_done(self)


class MappedRing:
    """A ring that somebody else writes, or this process's own as its readers hand it back."""

    def __init__(self, file: RingFile, name: str) -> None:
        self.file = file
        self.name = name
        self._memory = np.frombuffer(file.data, np.uint8)
        self._address = int(self._memory.__array_interface__["data"][0])
        self._echoed = False
        self._reader, self._nonce = -1, b""

    @classmethod
    def open(cls, folder: Path, name: str, token: bytes) -> MappedRing:
        """OSError: there is no such ring here, or nobody owns it."""
        return cls(attach(folder, name, token), name)

    def introduce(self, reader: int) -> bytes:
        """Writes this reader's nonce; gives it."""
        self._reader, self._nonce, self._echoed = reader, self.file.write_nonce(reader), False
        return self._nonce

    @property
    def is_echoed(self) -> bool:
        """True once the other end has found the nonce: both look at the same memory."""
        if not self._echoed:
            self._echoed = not self._nonce or self.file.echo(self._reader) == self._nonce
        return self._echoed

    def view(self, ref: pb.SlotRef, on_done: OnDone) -> SlotView:
        """The slot's bytes. BadSlot: there is no such slot, it has been filled again since, or it is smaller
        than is claimed; nothing outside the ring is ever read."""
        if not self.is_echoed:
            raise BadSlot(f"a slot in ring {self.name}, which was never confirmed", field="slot")
        if not 0 <= ref.slot < MAX_SLOTS:
            raise BadSlot(f"slot {ref.slot}; expected 0 to {MAX_SLOTS - 1}", field="slot")
        entry = self.file.entry(ref.slot)
        if ref.generation < 1 or entry.generation != ref.generation:
            raise BadSlot(
                f"slot {ref.slot} of generation {ref.generation} is stale; it holds {entry.generation}",
                field="slot",
            )
        inside = entry.offset >= HEADER_BYTES and entry.offset + entry.capacity <= self._memory.size
        if not inside or not 1 <= ref.size_bytes <= entry.capacity:
            raise BadSlot(
                f"{ref.size_bytes} bytes in slot {ref.slot}; expected 1 to {entry.capacity}", field="slot"
            )
        return SlotView(ref, self._memory, self._address + entry.offset, on_done)

    def close(self) -> None:
        """No more views; those that exist stay good."""
        self.file.close()
        self._memory = np.frombuffer(self.file.data, np.uint8)


def slot_behind(pixels: npt.NDArray[np.uint8]) -> SlotView | None:
    """The slot whose whole content this array is, untouched; None: it lies elsewhere, or is a part of one."""
    base: Any = pixels
    while base is not None and not isinstance(base, SlotView):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is None or base.size_bytes != pixels.nbytes or not pixels.flags.c_contiguous:
        return None
    return base if int(pixels.__array_interface__["data"][0]) == base.address else None
