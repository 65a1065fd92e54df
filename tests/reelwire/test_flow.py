"""Credit on both ends of a hop: bounded, never stuck, never mixed up."""

from __future__ import annotations

import random
from collections import deque
from fractions import Fraction

import pytest

from reelwire.errors import InvalidArgument
from reelwire.hop.flow import (
    FRAMES_CREDIT_BYTES,
    SOUND_CREDIT_S,
    ReceiveWindow,
    SendWindow,
    window_for,
)
from reelwire.media import ContainerFormat, Offer, PayloadKind, SoundFormat, VideoFormat


def _video(width: int, height: int) -> Offer:
    return Offer(0, PayloadKind.FRAMES, VideoFormat(width, height, Fraction(1, 25)))


def test_credit_for_frames_is_the_chunks_asked_for() -> None:
    assert window_for(_video(320, 180), chunk_frames=3, chunks=8) == 24


def test_credit_for_large_frames_is_bounded_by_bytes_but_two_chunks_always_fit() -> None:
    ultra = _video(3840, 2160)  # 24.9 MB each: two fit into the bytes, eight do not
    assert window_for(ultra, chunk_frames=1, chunks=8) == FRAMES_CREDIT_BYTES // ultra.video.frame_bytes == 2
    assert window_for(_video(7680, 4320), chunk_frames=4, chunks=8) == 8
    assert window_for(ultra, chunk_frames=4, chunks=1) == 4


def test_credit_for_sound_covers_the_interleave_so_that_it_never_starves_the_picture() -> None:
    sound = Offer(1, PayloadKind.SOUND, SoundFormat(48000, "5.1", 6, Fraction(1, 48000)))
    assert window_for(sound, 1, 2) == SOUND_CREDIT_S * 48000 * 6 * 4
    slow = Offer(1, PayloadKind.SOUND, SoundFormat(8000, "mono", 1, Fraction(1, 8000)))
    assert window_for(slow, 1, 2) >= 1 << 20


def test_bytes_have_a_credit_of_their_own() -> None:
    assert window_for(Offer(0, PayloadKind.CONTAINER_BYTES, ContainerFormat()), 24, 8) == 4 << 20


def test_a_sender_without_a_grant_may_send_nothing() -> None:
    assert not SendWindow().is_open(0)


def test_one_chunk_may_overdraw_and_then_the_sender_waits() -> None:
    window = SendWindow()
    window.grant(0, 4)
    window.take(0, 3)
    assert window.is_open(0)
    window.take(0, 10)
    assert not window.is_open(0)
    assert window.left(0) == -9
    window.grant(0, 14)
    assert window.is_open(0)


def test_an_older_credit_that_comes_late_takes_nothing_back() -> None:
    window = SendWindow()
    window.grant(0, 10)
    window.grant(0, 4)
    assert window.left(0) == 10


def test_tracks_do_not_share_credit() -> None:
    window = SendWindow()
    window.grant(1, 5)
    assert window.is_open(1)
    assert not window.is_open(0)


def test_a_chunk_beyond_the_credit_is_refused() -> None:
    window = ReceiveWindow()
    assert window.begin(0, 2) == 2
    window.admit(0, 2)
    with pytest.raises(InvalidArgument, match="without credit: 2 of 2 used"):
        window.admit(0, 1)


def test_a_chunk_of_a_track_that_was_not_offered_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="track 3, which was not offered"):
        ReceiveWindow().admit(3, 1)


def test_credit_is_announced_in_bundles_unless_the_sender_would_run_dry() -> None:
    wide = ReceiveWindow()
    wide.begin(0, 8)
    for _ in range(8):
        wide.admit(0, 1)
    told = [wide.take(0, 1) for _ in range(4)]
    assert told == [False, False, False, True], "half of the window at once, while there is work"
    assert wide.announce(0) == 8 + 4
    narrow = ReceiveWindow()
    narrow.begin(0, 2)
    narrow.admit(0, 1)
    assert narrow.take(0, 1), "one of two is used up: say so at once"
    odd = ReceiveWindow()
    odd.begin(0, 3)
    odd.admit(0, 3)
    assert odd.take(0, 3), "nothing is left to work on and the sender may send nothing"


def test_what_was_taken_and_not_announced_is_pending() -> None:
    window = ReceiveWindow()
    window.begin(0, 100)
    window.begin(1, 100)
    window.admit(1, 7)
    assert window.queued(1) == 7
    window.take(1, 7)
    assert window.pending() == [1]
    window.announce(1)
    assert window.pending() == []
    assert window.queued(1) == window.queued(5) == 0


def test_a_sender_that_could_be_told_more_and_has_used_half_is_short() -> None:
    window = ReceiveWindow()
    window.begin(0, 2)
    assert not window.is_short()
    window.admit(0, 2)
    assert not window.is_short(), "there is nothing that it could be told"
    window.take(0, 2)
    assert window.is_short()
    window.announce(0)
    assert not window.is_short()


@pytest.mark.parametrize("seed", range(20))
def test_both_ends_together_stay_in_bounds_and_never_get_stuck(seed: int) -> None:
    """Random chunk sizes, random order of sending, taking and delivery of credit."""
    chance = random.Random(seed)
    size = chance.choice([1, 4, 24])
    limit = chance.randint(1, 60)
    sender, receiver, queue, credits = SendWindow(), ReceiveWindow(), deque[int](), deque[int]()
    sender.grant(0, receiver.begin(0, limit))
    left = 300
    while left or queue:
        if left and sender.is_open(0) and chance.random() < 0.6:
            cost = chance.randint(1, size)
            sender.take(0, cost)
            receiver.admit(0, cost)
            queue.append(cost)
            left -= 1
            assert sum(queue) <= limit + size - 1
        elif queue and chance.random() < 0.6:
            if receiver.take(0, queue.popleft()):
                credits.append(receiver.announce(0))
        elif credits:
            sender.grant(0, credits.popleft())
        elif not sender.is_open(0) and not queue:
            pytest.fail("the sender waits for credit that nobody will announce")
