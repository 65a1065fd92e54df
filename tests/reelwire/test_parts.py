"""Chunks of any size are cut into ones that fit; nothing of them is lost, and time stays exact."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reelwire.errors import TooLarge
from reelwire.media import (
    Chunk,
    ContainerBytes,
    Dropped,
    DropReason,
    Frames,
    Packet,
    Packets,
    Payload,
    SideData,
    Sound,
    SoundFormat,
    Tensor,
    Text,
)
from reelwire.parts import MAX_PARTS_OF_HEADER, parts_of
from reelwire.payloads import cost
from reelwire.testing import frames, small_video

VIDEO = small_video(16, 16)
LOST = (Dropped(2, DropReason.LATE, 0, 1),)


def cut(payload: Payload | None, max_bytes: int, **fields: Any) -> list[Chunk]:
    return list(parts_of(Chunk(3, payload, **fields), max_bytes))


def test_frames_are_cut_between_frames_and_keep_pts_and_keyframes() -> None:
    (whole,) = frames(7, VIDEO, chunk_frames=7, pts_step=5)
    parts = cut(whole, 3 * VIDEO.frame_bytes + 1, dropped=LOST, made_frames=4, keyframes=(0, 3, 6))
    given = [part.payload for part in parts if isinstance(part.payload, Frames)]
    assert [each.pts for each in given] == [(0, 5, 10), (15, 20, 25), (30,)]
    assert np.array_equal(np.concatenate([each.pixels for each in given]), whole.pixels)
    assert [part.keyframes for part in parts] == [(0,), (0,), (0,)]
    assert [part.dropped for part in parts] == [LOST, (), ()]
    assert [part.made_frames for part in parts] == [4, 0, 0]


@pytest.mark.parametrize(("rate", "base"), [(48000, 48000), (44100, 90000), (44100, 1000), (48000, 1000)])
def test_sound_is_cut_where_its_pts_is_a_whole_tick(rate: int, base: int) -> None:
    form = SoundFormat(rate, "stereo", 2, Fraction(1, base))
    samples = np.arange(2 * rate, dtype=np.float32).reshape(-1, 2)
    given = [part.payload for part in cut(Sound(form, 77, samples), 10_000)]
    at = Fraction(77, base)
    for each in given:
        assert isinstance(each, Sound)
        assert each.samples.nbytes <= 10_000
        assert each.pts * form.time_base == at
        at += Fraction(len(each.samples), rate)
    assert len(given) > 1
    assert np.array_equal(np.concatenate([each.samples for each in given]), samples)  # type: ignore[union-attr]


def test_packets_are_cut_between_packets() -> None:
    packets = tuple(Packet(i, i, 1, i == 0, bytes((i,)) * size) for i, size in enumerate((5, 5, 1, 9, 10, 2)))
    given = [part.payload.packets for part in cut(Packets(packets), 10) if isinstance(part.payload, Packets)]
    assert [[len(packet.data) for packet in group] for group in given] == [[5, 5], [1, 9], [10], [2]]
    assert sum(given, ()) == packets


def test_bytes_are_cut_anywhere_and_their_frames_counted_once() -> None:
    parts = cut(ContainerBytes(bytes(range(25)), frame_count=3), 10)
    assert b"".join(part.payload.data for part in parts) == bytes(range(25))  # type: ignore[union-attr]
    assert [cost(part) for part in parts] == [10, 10, 5]
    assert [part.frame_count for part in parts] == [3, 0, 0]


def test_a_header_stays_small_where_its_frames_or_packets_are() -> None:
    (many,) = frames(MAX_PARTS_OF_HEADER + 1, small_video(2, 2), chunk_frames=MAX_PARTS_OF_HEADER + 1)
    assert [part.frame_count for part in cut(many, 1 << 20)] == [MAX_PARTS_OF_HEADER, 1]
    packets = Packets(tuple(Packet(i, i, 1, True, b"x") for i in range(MAX_PARTS_OF_HEADER + 1)))
    assert [part.frame_count for part in cut(packets, 1 << 20)] == [MAX_PARTS_OF_HEADER, 1]


SMALL: dict[str, Payload | None] = {
    "frames": next(frames(2, VIDEO, chunk_frames=2)),
    "sound": Sound(SoundFormat(8000, "mono", 1, Fraction(1)), 0, np.zeros((9, 1), np.float32)),
    "no packets": Packets(()),
    "packets": Packets((Packet(0, 0, 1, True, b"abc"),)),
    "no bytes": ContainerBytes(b""),
    "bytes": ContainerBytes(b"abc", 1),
    "text": Text("a cat"),
    "side data": SideData("{}", 0),
    "tensor": Tensor("x", 0, np.zeros(3, np.float32)),
    "drops alone": None,
}


@pytest.mark.parametrize("payload", SMALL.values(), ids=SMALL)
def test_what_fits_comes_back_as_it_is(payload: Payload | None) -> None:
    (part,) = cut(payload, 2 * VIDEO.frame_bytes, dropped=LOST)
    assert part.payload is payload or part.payload == payload
    assert part.dropped == LOST


WHOLE: dict[str, Payload] = {
    "one frame of 16x16 RGB24": next(frames(1, VIDEO)),
    "8000 samples": Sound(SoundFormat(8000, "mono", 1, Fraction(1)), 0, np.zeros((9000, 1), np.float32)),
    "packet at pts 4": Packets((Packet(4, 4, 1, True, bytes(200)),)),
    "TEXT": Text("a" * 200),
    "SIDE_DATA": SideData('"' + "a" * 200 + '"', 0),
    "TENSOR": Tensor("x", 0, np.zeros(50, np.float32)),
}


@pytest.mark.parametrize("what", WHOLE)
def test_what_cannot_be_cut_is_refused_with_what_to_do(what: str) -> None:
    with pytest.raises(TooLarge, match=f"{what}.*at most 100; .*raise REELWIRE_MAX_MESSAGE_BYTES"):
        cut(WHOLE[what], 100)
