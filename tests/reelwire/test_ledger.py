"""Order and accounts: nothing missing, nothing twice, every frame in one column."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from reelwire.errors import PtsNotIncreasing, SequenceBroken
from reelwire.hop.ledger import AckMap, Ledger, Order
from reelwire.media import Chunk, Dropped, DropReason, Frames, Sound, SoundFormat, VideoFormat

VIDEO = VideoFormat(2, 2, Fraction(1, 25))
MONO = SoundFormat(48000, "mono", 1, Fraction(1, 48000))


def _frames(track: int, *pts: int) -> Chunk:
    return Chunk(track, Frames(VIDEO, pts, np.zeros((len(pts), 2, 2, 3), np.uint8)))


def test_a_stream_in_order_passes_on_each_track_by_itself() -> None:
    order = Order()
    for track in (0, 1):
        for seq in range(3):
            order.check_seq(track, seq)
    order.check_pts(_frames(0, -5, -1, 0))
    order.check_pts(_frames(0, 7))
    order.check_pts(_frames(1, -5))


@pytest.mark.parametrize("seq", [0, 2, -1])
def test_a_chunk_missing_or_twice_breaks_the_stream(seq: int) -> None:
    order = Order()
    order.check_seq(0, 0)
    with pytest.raises(SequenceBroken, match=f"chunk {seq} came, expected 1"):
        order.check_seq(0, seq)


@pytest.mark.parametrize("pts", [(4, 4), (5, 4)])
def test_pts_that_stand_still_or_go_back_are_refused_inside_a_chunk(pts: tuple[int, int]) -> None:
    with pytest.raises(PtsNotIncreasing, match=f"pts {pts[1]} after {pts[0]}"):
        Order().check_pts(_frames(0, *pts))


def test_pts_that_go_back_are_refused_from_chunk_to_chunk() -> None:
    order = Order()
    order.check_pts(_frames(0, 1, 2))
    with pytest.raises(PtsNotIncreasing):
        order.check_pts(_frames(0, 2))


def test_only_frames_have_their_pts_checked() -> None:
    order = Order()
    for _ in range(2):
        order.check_pts(Chunk(1, Sound(MONO, 5, np.zeros((1, 1), np.float32))))


def test_the_accounts_close() -> None:
    ledger = Ledger(in_frames=10, made_frames=2, out_frames=7)
    ledger.drop(Dropped(2, DropReason.TRIMMED, 0, 1))
    ledger.drop(Dropped(1, DropReason.LATE, 2, 2))
    ledger.drop(Dropped(1, DropReason.UNDECODABLE, 3, 3))
    assert (ledger.dropped_frames, ledger.failed_frames, ledger.missing_frames) == (3, 1, 1)
    assert ledger.settle() == 1
    assert (ledger.failed_frames, ledger.missing_frames) == (2, 0)


def test_settling_closed_accounts_changes_nothing() -> None:
    ledger = Ledger(in_frames=3, out_frames=3)
    assert ledger.settle() == 0
    assert not ledger.dropped


def test_an_input_is_safe_once_all_that_came_of_it_is() -> None:
    acks = AckMap()
    acks.fed(0, -1)  # held by the stage: nothing came of it yet
    acks.fed(1, 0)
    acks.fed(2, 3)
    assert acks.unacked == 3
    assert acks.acked(0) == 1
    assert acks.acked(2) is None
    assert acks.acked(3) == 2
    assert acks.unacked == 0


def test_an_older_ack_that_comes_late_moves_nothing_back() -> None:
    acks = AckMap()
    acks.fed(0, 0)
    acks.fed(1, 1)
    assert acks.acked(1) == 1
    assert acks.acked(0) is None
