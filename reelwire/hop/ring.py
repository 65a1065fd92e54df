"""A ring by the one that writes it: slots that are filled, handed out, and free again when nobody reads them.

A slot is in use for as long as a ``Filled`` of it exists: the sender keeps one for each reader that it was
handed to, until the reader releases it or is gone. Safe from any thread.
"""

from __future__ import annotations

import mmap
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from reelwire.hop.ring_file import HEADER_BYTES, MAX_SLOTS, Entry, create
from reelwire.media import Pixels

ADDRESS_SPACE = 8  # times what may be allocated: slots of another size lie behind those that were given up
_NO_MEMORY: Pixels = np.empty(0, np.uint8)
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14


@dataclass(slots=True)
class _Slot:
    number: int
    offset: int
    generation: int
    memory: Pixels  # (capacity,) uint8


class Filled:
    """A slot in use; it is free again when this is gone, and with it every array that was made of it."""

    __slots__ = (
        "__array_interface__",
        "_given_back",
        "_memory",
        "_slot",
        "address",
        "generation",
        "ring",
        "size_bytes",
        "slot",
    )

    def __init__(self, ring: str, slot: _Slot, size_bytes: int, given_back: deque[_Slot]) -> None:
        self.ring = ring
        self.slot = slot.number
        self.generation = slot.generation
        self.size_bytes = size_bytes
        self.address = 0
        self._slot = slot
        self._given_back = given_back

    def as_array(self, memory: Pixels) -> Pixels:
        """(size_bytes,) uint8: to be written until somebody is told of the slot, which it keeps."""
        self._memory = memory  # what is mapped stays so for as long as the array is there
        self.address = int(self._memory.__array_interface__["data"][0])
        self.__array_interface__ = {
            "version": 3,
            "typestr": "|u1",
            "shape": (self.size_bytes,),
            "data": (self.address, False),
        }
        return np.asarray(self, np.uint8)

    def __del__(self) -> None:
        # No lock: this may run in the middle of anything, the ring's own work too.
        self._given_back.append(self._slot)


class Ring:
    """One stream's pixels, for its neighbours. ``max_bytes``: how much memory it may take."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """OSError: no such folder, or no room for a header."""
        self._max_bytes = max_bytes
        self._address_space = ADDRESS_SPACE * _whole_pages(max_bytes)
        self.file, self.name = create(folder, self._address_space)
        self._path: Path | None = folder / self.name
        self._lock = Lock()
        self._free: list[_Slot] = []  # the last one freed is filled next: it is still in the cache
        self._given_back: deque[_Slot] = deque()
        self._unused = [(number, 0) for number in reversed(range(MAX_SLOTS))]  # (number, generation)
        self._made: dict[int, _Slot] = {}
        self._closed = False
        self._end = HEADER_BYTES
        self.allocated_bytes = 0

    def reserve(self, slots: int, size_bytes: int) -> None:
        """Makes so many slots, as far as the ring may grow. OSError: the system has no memory for them."""
        with self._lock:
            made = [self._make(size_bytes) for _ in range(slots)]
            self._free += [slot for slot in made if slot is not None]

    def fill(self, pixels: Pixels) -> Filled | None:
        """Copies pixels into a free slot; None: there is none and the ring is as large as it may be. OSError:
        the system has no memory for another."""
        taken = self._use(pixels.nbytes)
        if taken is None:
            return None
        filled, memory = taken
        np.copyto(memory[: pixels.nbytes].reshape(pixels.shape), pixels)
        return filled

    def empty(self, size_bytes: int) -> Pixels | None:
        """(size_bytes,) uint8: a free slot, still to be written. None and OSError as ``fill``."""
        taken = self._use(size_bytes)
        return None if taken is None else taken[0].as_array(taken[1])

    def _use(self, size_bytes: int) -> tuple[Filled, Pixels] | None:
        with self._lock:
            slot = self._take(size_bytes)
            if slot is None:
                return None
            return Filled(self.name, slot, size_bytes, self._given_back), slot.memory

    def unlink(self) -> None:
        """Everybody who will read it has mapped it: takes its name away, so that nothing is left behind."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def close(self) -> None:
        """Nothing more is filled; views of it stay good for those who hold them."""
        self.unlink()
        with self._lock:
            self._closed = True
            for slot in self._made.values():  # a Filled that somebody has forgotten keeps no memory
                slot.memory = _NO_MEMORY
            self.file.close()

    def _take(self, size_bytes: int) -> _Slot | None:
        if self._closed:
            return None
        while self._given_back:
            self._free.append(self._given_back.popleft())
        for at in range(len(self._free) - 1, -1, -1):
            if self._free[at].memory.size >= size_bytes:
                slot = self._free.pop(at)
                break
        else:
            for small in self._free:
                self._give_up(small)
            self._free.clear()
            made = self._make(size_bytes)
            if made is None:
                return None
            slot = made
        slot.generation += 1
        self.file.set_entry(slot.number, Entry(slot.offset, slot.memory.size, slot.generation))
        return slot

    def _make(self, size_bytes: int) -> _Slot | None:
        capacity = _whole_pages(size_bytes)
        fits = self.allocated_bytes + capacity <= self._max_bytes or not self.allocated_bytes
        if self._closed or not (
            fits and self._unused and self._end + capacity <= HEADER_BYTES + self._address_space
        ):
            return None
        self.file.allocate(self._end, capacity)
        with suppress(OSError, ValueError):  # an older kernel faults each page in when it is first written
            self.file.data.madvise(_POPULATE_WRITE, self._end, capacity)
        number, generation = self._unused.pop()
        memory = np.frombuffer(self.file.data, np.uint8, capacity, self._end)
        slot = _Slot(number, self._end, generation, memory)
        self._made[number] = slot
        self._end += capacity
        self.allocated_bytes += capacity
        return slot

    def _give_up(self, slot: _Slot) -> None:
        """Frames have become larger: the memory of a slot that is too small goes back to the system."""
        self.file.data.madvise(mmap.MADV_REMOVE, slot.offset, slot.memory.size)
        self.file.set_entry(slot.number, Entry(0, 0, slot.generation))
        self.allocated_bytes -= slot.memory.size
        del self._made[slot.number]
        self._unused.append((slot.number, slot.generation))


def _whole_pages(size_bytes: int) -> int:
    return max(1, -(-size_bytes // mmap.PAGESIZE)) * mmap.PAGESIZE
