"""A ring by itself: slots, growth, bounds, and what is swept."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import WeakMethod

import numpy as np
import pytest

from reelwire.errors import BadSlot
from reelwire.hop.ring import Filled, Ring
from reelwire.hop.ring_file import HEADER_BYTES, MAX_SLOTS, create, sweep
from reelwire.hop.rings import PixelPolicy, StreamRings
from reelwire.hop.slots import MappedRing, SlotView, slot_behind
from reelwire.media import Pixels
from reelwire.testing import IdentityFactory, loopback

PAGE = os.sysconf("SC_PAGESIZE")


class Reader:
    """Reads a ring as its neighbour does. ``done``: slots that nobody looks at any more."""

    def __init__(self, ring: Ring, folder: Path) -> None:
        self.mapped = MappedRing.open(folder, ring.name, ring.file.token)
        self.done: list[int] = []
        nonce = self.mapped.introduce(2)
        assert ring.file.confirm(2, nonce)

    def note(self, view: SlotView) -> None:
        self.done.append(view.slot)

    def view(self, filled: Filled) -> Pixels:
        return self.view_of(filled.slot, filled.generation, filled.size_bytes)

    def view_of(self, slot: int, generation: int, size_bytes: int) -> Pixels:
        return np.asarray(self.mapped.view(slot, generation, size_bytes, WeakMethod(self.note)), np.uint8)


def noise(seed: int, size_bytes: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, size_bytes, np.uint8)


def fill(ring: Ring, pixels: Pixels) -> Filled:
    filled = ring.fill(pixels)
    assert filled is not None
    return filled


def test_what_was_filled_is_what_is_read_and_a_slot_is_free_when_nobody_has_it(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1 << 20)
    reader = Reader(ring, tmp_path)
    first = fill(ring, noise(0, 5000))
    again = fill(ring, noise(1, 5000))
    view = reader.view(first)
    assert np.array_equal(view, noise(0, 5000))
    assert not view.flags.writeable
    assert first.slot != again.slot
    del view
    assert reader.done == [first.slot]
    number, generation = first.slot, first.generation
    del first
    third = fill(ring, noise(2, 4000))
    assert (third.slot, third.generation) == (number, generation + 1)
    ring.close()


def test_a_view_of_a_slot_that_was_filled_again_is_refused(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1 << 20)
    reader = Reader(ring, tmp_path)
    filled = fill(ring, noise(0, 100))
    stale = (filled.slot, filled.generation, 100)
    del filled
    kept = fill(ring, noise(1, 100))
    with pytest.raises(BadSlot, match="is stale; it holds 2"):
        reader.view_of(*stale)
    assert np.array_equal(reader.view(kept), noise(1, 100))
    ring.close()


def test_a_ring_grows_with_its_frames_and_never_beyond_what_it_may_take(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 16 * PAGE)
    small = [fill(ring, noise(seed, PAGE)) for seed in range(16)]
    assert ring.fill(noise(16, PAGE)) is None
    small.clear()
    large = [fill(ring, noise(seed, 4 * PAGE)) for seed in range(4)]
    assert ring.fill(noise(4, 4 * PAGE)) is None
    assert ring.allocated_bytes == 16 * PAGE
    blocks = 512 * os.stat(tmp_path / ring.name).st_blocks
    assert blocks <= HEADER_BYTES + 17 * PAGE, "what was given up is the system's again"
    assert {each.generation for each in large} == {2}, "a number that comes back is another slot"
    ring.close()


def test_a_ring_has_no_more_slots_than_its_header(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1 << 20)
    held = [ring.fill(noise(0, 1)) for _ in range(MAX_SLOTS)]
    assert None not in held
    assert ring.fill(noise(0, 1)) is None
    ring.close()


def test_a_frame_larger_than_the_ring_still_has_one_slot(tmp_path: Path) -> None:
    ring = Ring(tmp_path, PAGE)
    held = fill(ring, noise(0, 5 * PAGE))
    assert ring.fill(noise(1, 1)) is None
    assert held.size_bytes == 5 * PAGE
    ring.close()


def test_a_closed_ring_is_filled_no_more_and_what_is_read_of_it_stays(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1 << 20)
    reader = Reader(ring, tmp_path)
    handed = fill(ring, noise(0, 5000))
    view = reader.view(handed)
    ring.close()
    reader.mapped.close()
    assert list(tmp_path.iterdir()) == []
    del handed
    assert ring.fill(noise(1, 5000)) is None
    assert np.array_equal(view, noise(0, 5000))


def test_what_has_an_owner_is_not_swept_and_all_else_of_that_name_is(tmp_path: Path) -> None:
    owned, name = create(tmp_path, 1 << 20)
    left, other = create(tmp_path, 1 << 20)
    left.close()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "reelwire-folder.ring").mkdir()
    assert sweep(tmp_path) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        (name, "notes.txt", "reelwire-folder.ring")
    )
    assert other != name
    owned.close()
    assert sweep(tmp_path / "nowhere") == 0


async def test_a_service_sweeps_as_long_as_it_runs(tmp_path: Path) -> None:
    """A caller that was killed before it called anybody leaves a ring that no stream's end tells of."""
    async with loopback([IdentityFactory("editor")], {"shm_dir": tmp_path}):
        for _ in range(2):
            left, _name = create(tmp_path, 1 << 20)
            left.close()
            async with asyncio.timeout(60):
                while os.listdir(tmp_path):  # noqa: ASYNC110 - another thread empties it
                    await asyncio.sleep(0.01)


def test_what_is_written_into_an_empty_slot_lies_there_and_keeps_it_for_as_long_as_anybody_looks(
    tmp_path: Path,
) -> None:
    ring = Ring(tmp_path, 1 << 20)
    reader = Reader(ring, tmp_path)
    pixels = ring.empty(6000)
    assert pixels is not None
    picture = pixels.reshape(1, 40, 50, 3)
    picture[:] = noise(3, 6000).reshape(picture.shape)
    filled = slot_behind(picture)
    assert isinstance(filled, Filled)
    assert np.array_equal(reader.view(filled), noise(3, 6000))
    assert slot_behind(picture[:, 1:]) is None, "a part of it is not all of it"
    number = filled.slot
    del pixels, filled
    assert fill(ring, noise(4, 6000)).slot != number
    ring.close()
    assert np.array_equal(picture.reshape(-1), noise(3, 6000)), "its memory stays after the ring"
    del picture


class SlowRing(Ring):
    """A ring that takes its time to reserve memory."""

    begun, go_on = threading.Event(), threading.Event()

    def reserve(self, slots: int, size_bytes: int) -> None:
        self.begun.set()
        assert self.go_on.wait(60)
        super().reserve(slots, size_bytes)


def test_a_ring_that_is_being_made_while_its_stream_ends_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelwire.hop.rings.Ring", SlowRing)
    streams = StreamRings("generator", PixelPolicy(folder=tmp_path))
    with ThreadPoolExecutor(2) as pool:
        made = pool.submit(streams.create, pytest.fail, 2, 4096)
        assert SlowRing.begun.wait(60)
        closed = pool.submit(streams.close)
        SlowRing.go_on.set()
        closed.result(60)
        made.result(60)
    assert list(tmp_path.iterdir()) == []
    assert streams.create(pytest.fail, 2, 4096) is None, "the stream has ended"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_mapped_for_a_stream_that_has_ended(tmp_path: Path) -> None:
    owner, reader = (StreamRings(name, PixelPolicy(folder=tmp_path)) for name in ("generator", "editor"))
    ring = owner.create(pytest.fail, 2, 4096)
    assert ring is not None
    reader.close()
    assert reader.take([ring]) == []
    assert reader.mapped == {}
    owner.close()
