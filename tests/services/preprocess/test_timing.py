"""Time is exact: pts, spans, rates, and the pace of real time."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from reelwire.v1.config_pb2 import Fit
from services.preprocess.geometry import Shape, plan
from services.preprocess.pacing import MAX_BEHIND_S, MAX_WAIT_S, IdleClock, Pacer
from services.preprocess.rate import ConstantRate, Shown, Skipped
from services.preprocess.track_time import Together, TrackTime

MS = Fraction(1, 1000)


def test_all_pts_of_a_track_lose_the_same_whole_number_of_ticks() -> None:
    time = TrackTime(Fraction(1, 90_000), Fraction(1001, 30_000) + Fraction(1, 7))
    given = [time.next(pts) for pts in (20_000, 23_003, 26_006)]
    assert [after - before for before, after in pairwise(given)] == [3003, 3003]
    assert abs(
        given[0] * time.base - (Fraction(20_000, 90_000) - Fraction(1001, 30_000) - Fraction(1, 7))
    ) <= (time.base / 2)


def test_a_missing_pts_follows_from_the_frame_before() -> None:
    time = TrackTime(MS, Fraction(0), nominal=40)
    assert [time.next(pts) for pts in (None, None, 200, None)] == [0, 40, 200, 240]
    assert time.derived_count == 3


def test_pts_that_do_not_rise_are_moved_by_one_tick_and_counted() -> None:
    time = TrackTime(MS, Fraction(0), nominal=40)
    assert [time.next(pts) for pts in (0, 40, 40, 30, 80)] == [0, 40, 41, 42, 80]
    assert time.repaired_count == 2


def test_a_clock_that_starts_anew_goes_on_where_it_was() -> None:
    time = TrackTime(MS, Fraction(0), nominal=40)
    assert [time.next(pts) for pts in (50_000, 50_040, 0, 40, 80)] == [50_000, 50_040, 50_080, 50_120, 50_160]


def shown(frames: list[tuple[int, str]], rate: int, duration: int = 40) -> tuple[list[str], list[str], int]:
    """What each slot shows, what was skipped, and how many are repeats."""
    constant: ConstantRate[str] = ConstantRate(Fraction(rate), MS)
    decided = [each for pts, name in frames for each in constant.push(pts, duration, name)]
    decided += constant.flush()
    slots = [each for each in decided if isinstance(each, Shown)]
    assert [each.slot for each in slots] == list(range(slots[0].slot, slots[0].slot + len(slots)))
    skipped = [each.item for each in decided if isinstance(each, Skipped)]
    return [each.item for each in slots], skipped, sum(each.repeated for each in slots)


@pytest.mark.parametrize(
    ("frames", "rate", "expected"),
    [
        ([(0, "a"), (40, "b"), (80, "c")], 25, (["a", "b", "c"], [], 0)),
        ([(0, "a"), (40, "b")], 50, (["a", "a", "b", "b"], [], 2)),
        ([(0, "a"), (120, "b")], 25, (["a", "a", "a", "b"], [], 2)),
        ([(0, "a"), (10, "b"), (40, "c")], 25, (["b", "c"], ["a"], 0)),
        ([(0, "a")], 1, (["a"], [], 0)),
        ([(0, "a"), (960, "b")], 1, (["a"], ["b"], 0)),
    ],
    ids=["same", "twice", "gap", "two-in-one", "alone", "last-beyond-the-end"],
)
def test_each_slot_shows_the_newest_frame_that_is_nearest_to_it(
    frames: list[tuple[int, str]], rate: int, expected: tuple[list[str], list[str], int]
) -> None:
    assert shown(frames, rate) == expected


@pytest.mark.parametrize("rate", [7, 24, 30, 60])
def test_every_frame_is_shown_or_skipped_and_none_twice_over(rate: int) -> None:
    frames = [(pts, str(pts)) for pts in (0, 33, 40, 41, 300, 333, 366, 1000, 1001, 1002)]
    items, skipped, repeats = shown(frames, rate)
    assert len(items) - repeats + len(skipped) == len(frames)
    assert sorted({*items, *skipped}, key=int) == [name for _, name in frames]


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now_s += seconds


def paced(moments: list[float], work_s: float = 0.0) -> tuple[FakeTime, IdleClock]:
    time = FakeTime()
    idle = IdleClock(time.clock)
    pacer = Pacer(idle, time.sleep)
    for moment in moments:
        pacer.wait_for(Fraction(moment).limit_denominator(1000))
        time.now_s += work_s
    return time, idle


def test_frames_are_given_when_they_are_due_and_the_first_at_once() -> None:
    time, idle = paced([10.0, 10.04, 10.08])
    assert time.slept == [0.04, 0.04]
    assert idle.idle_us == pytest.approx(80_000, abs=1)


def test_time_that_work_took_is_not_waited_again() -> None:
    assert paced([0, 0.04, 0.08], work_s=0.01)[0].slept == [0.03, 0.03]


def test_a_frame_that_is_late_is_given_at_once_and_the_pace_is_caught_up() -> None:
    assert paced([0, 0.04, 0.08, 0.12], work_s=0.05)[0].slept == []


def test_sound_a_little_behind_the_picture_waits_for_nothing() -> None:
    assert paced([0, 0.04, 0.02, 0.08])[0].slept == [0.04, 0.04]


def test_a_long_gap_is_not_sat_through() -> None:
    time, _ = paced([0, 3600, 3600.04])
    assert time.slept == [MAX_WAIT_S, 0.04]


def worked_on(interval_s: float, work_s: float, decode_s: float = 0.0, count: int = 200) -> list[int]:
    """Which frames do not make way, where each of those takes ``work_s`` and all take ``decode_s``."""
    time = FakeTime()
    pacer = Pacer(IdleClock(time.clock), time.sleep)
    kept = []
    for number in range(count):
        moment = number * Fraction(interval_s).limit_denominator(1000)
        time.now_s += decode_s
        if not pacer.is_too_late(moment):
            pacer.wait_for(moment)
            kept.append(number)
            assert pacer.behind_us <= (MAX_BEHIND_S + decode_s) * 1e6
            time.now_s += work_s
    return kept


def test_a_live_source_that_keeps_up_leaves_nothing_out() -> None:
    assert worked_on(0.04, work_s=0.04) == list(range(200))


def test_a_live_source_of_half_the_speed_leaves_out_every_second_frame_and_falls_no_further_behind() -> None:
    kept = worked_on(0.04, work_s=0.08)
    assert len(kept) == pytest.approx(100, abs=3)
    assert max(after - before for before, after in pairwise(kept)) <= 3


def test_leaving_out_is_given_up_where_the_decoder_is_what_is_slow() -> None:
    kept = worked_on(0.04, work_s=0.0, decode_s=0.05, count=1000)
    assert len(kept) > 800, "it would help nobody"


def test_what_was_stopped_for_long_goes_on_from_there() -> None:
    time = FakeTime()
    pacer = Pacer(IdleClock(time.clock), time.sleep)
    assert not pacer.is_too_late(Fraction(0))
    time.now_s += 2 * MAX_WAIT_S
    assert not pacer.is_too_late(MS)
    assert not pacer.is_too_late(2 * MS)
    assert time.slept == []


def test_a_feed_that_was_waited_for_is_in_time_whatever_clock_its_sender_has() -> None:
    time = FakeTime()
    idle = IdleClock(time.clock)
    pacer = Pacer(idle, None)
    for number in range(1000):  # its seconds are longer than ours
        idle.during(lambda: time.sleep(0.05))
        assert not pacer.is_too_late(number * 40 * MS)
        pacer.wait_for(number * 40 * MS)
    time.now_s += 1.0  # work: the next ones lie there already, and nothing is waited for
    assert pacer.is_too_late(1000 * 40 * MS)


@pytest.mark.parametrize("fit", [Fit.FIT_PAD, Fit.FIT_CROP, Fit.FIT_SCALE], ids=["pad", "crop", "scale"])
@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (1, 1), (3, 8000), (635, 479)], ids=str)
@pytest.mark.parametrize("to", [(640, 360), (101, 333), (2, 2), (64, 4096)], ids=str)
def test_every_size_fits_every_other(fit: int, size: tuple[int, int], to: tuple[int, int]) -> None:
    geometry = plan(*size, Shape(*to, fit))
    assert (geometry.width, geometry.height) == to
    assert geometry.x % 2 == geometry.y % 2 == 0
    inner = (geometry.inner_width, geometry.inner_height)
    for length, whole, offset in zip(inner, to, (geometry.x, geometry.y), strict=True):
        assert length >= 1
        assert offset + min(length, whole) <= max(length, whole)
        assert fit != Fit.FIT_PAD or length <= whole or whole < 2
        assert fit != Fit.FIT_CROP or length >= whole


def test_one_damaged_pts_far_ahead_moves_nothing_that_follows() -> None:
    time = TrackTime(Fraction(1, 25), Fraction(0), together=Together())
    assert [time.next(pts) for pts in (0, 1, 2, 90_003, 4, 5)] == [0, 1, 2, 3, 4, 5]
    assert time.repaired_count == 2


def test_a_pause_of_one_track_is_kept_while_another_goes_on() -> None:
    together = Together()
    picture = TrackTime(Fraction(1, 25), Fraction(0), together=together)
    sound = TrackTime(Fraction(1, 25), Fraction(0), together=together)
    assert sound.next(0) == 0
    assert [picture.next(pts) for pts in range(600)] == list(range(600))
    assert sound.next(600) == 600
