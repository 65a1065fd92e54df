"""Rings by those who read them: which there are, and views of slots that tell when nobody looks any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reelwire.errors import BadSlot
from reelwire.hop.ring import Filled
from reelwire.hop.ring_file import HEADER_BYTES, MAX_SLOTS, RingFile, attach

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
        self, ring: MappedRing, slot: int, generation: int, size_bytes: int, address: int, on_done: OnDone
    ) -> None:
        self.ring = ring.name
        self.slot = slot
        self.generation = generation
        self.size_bytes = size_bytes
        self.address = address
        self._memory = ring.memory  # keeps the mapping
        self._on_done = on_done
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (size_bytes,),
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
        self.memory = np.frombuffer(file.data, np.uint8)
        self._address = int(self.memory.__array_interface__["data"][0])
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

    def view(self, slot: int, generation: int, size_bytes: int, on_done: OnDone) -> SlotView:
        """The slot's bytes. BadSlot: there is no such slot, it has been filled again since, or it is smaller
        than is claimed; nothing outside the ring is ever read."""
        if not self.is_echoed:
            raise BadSlot(f"a slot in ring {self.name}, which was never confirmed", field="slot")
        if not 0 <= slot < MAX_SLOTS:
            raise BadSlot(f"slot {slot}; expected 0 to {MAX_SLOTS - 1}", field="slot")
        offset, capacity, newest = self.file.entry(slot)
        if generation < 1 or newest != generation:
            raise BadSlot(f"slot {slot} of generation {generation} is stale; it holds {newest}", field="slot")
        inside = offset >= HEADER_BYTES and offset + capacity <= self.memory.size
        if not inside or not 1 <= size_bytes <= capacity:
            raise BadSlot(f"{size_bytes} bytes in slot {slot}; expected 1 to {capacity}", field="slot")
        return SlotView(self, slot, generation, size_bytes, self._address + offset, on_done)

    def close(self) -> None:
        """No more views; those that exist stay good."""
        self.file.close()
        self._memory = np.frombuffer(self.file.data, np.uint8)


def slot_behind(pixels: npt.NDArray[np.uint8]) -> SlotView | Filled | None:
    """The slot whose whole content this array is, untouched; None: it lies elsewhere, or is a part of one."""
    base: Any = pixels
    while base is not None and not isinstance(base, SlotView | Filled):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is None or base.size_bytes != pixels.nbytes or not pixels.flags.c_contiguous:
        return None
    return base if int(pixels.__array_interface__["data"][0]) == base.address else None
