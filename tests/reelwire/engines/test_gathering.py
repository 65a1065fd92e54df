"""Which runs start together and when, as a state machine: time is a number here."""

from __future__ import annotations

import pytest

from reelwire.engines.gathering import Gathering, Waiting

DELAY_S = 2.0


def gathering(slots: int = 1, max_rows: int = 4) -> Gathering[Waiting]:
    return Gathering(slots, max_rows, DELAY_S)


def arriving(gathering: Gathering[Waiting], now_s: float, key: str = "a", rows: int = 1) -> Waiting:
    run = Waiting(key, rows)
    gathering.arrive(run, now_s)
    return run


def busy(slots: int = 1, max_rows: int = 4) -> Gathering[Waiting]:
    """All slots at work."""
    made = gathering(slots, max_rows)
    for _ in range(slots):
        first = arriving(made, 0.0, "first")
        assert made.start(0.0) == [first]
    return made


def test_a_run_that_finds_a_slot_and_nobody_starts_at_once() -> None:
    made = gathering()
    for now_s in (0.0, 0.0, 5.0):
        run = arriving(made, now_s)
        assert made.start(now_s) == [run]
        made.finish()


def test_while_all_slots_work_others_gather_and_start_together_in_order() -> None:
    made = busy()
    runs = [arriving(made, 0.1 * place) for place in range(3)]
    assert made.start(10.0) == []
    made.finish()
    assert made.start(10.0) == runs


def test_a_second_slot_is_used_before_anyone_waits() -> None:
    made = gathering(slots=2)
    first, second = arriving(made, 0.0), None
    assert made.start(0.0) == [first]
    second = arriving(made, 0.0)
    assert made.start(0.0) == [second]
    third = arriving(made, 0.0)
    assert made.start(0.0) == []
    made.finish()
    assert made.start(DELAY_S) == [third]


def test_a_free_slot_waits_for_company_no_longer_than_the_delay_of_the_oldest() -> None:
    made = busy()
    runs = [arriving(made, 1.0)]
    made.finish()
    assert made.start(1.0 + DELAY_S - 0.01) == []
    runs.append(arriving(made, 1.0 + DELAY_S - 0.01))
    assert made.start(1.0 + DELAY_S - 0.01) == []
    assert made.start(1.0 + DELAY_S) == runs


def test_a_full_batch_waits_for_no_delay() -> None:
    made = busy(max_rows=3)
    runs = [arriving(made, 0.0) for _ in range(3)]
    made.finish()
    assert made.start(0.0) == runs


def test_a_batch_is_never_larger_than_its_limit() -> None:
    made = busy(max_rows=4)
    runs = [arriving(made, 0.0) for _ in range(9)]
    sizes = []
    for _ in range(3):
        made.finish()
        batch = made.start(9.0)
        assert batch == runs[sum(sizes) : sum(sizes) + len(batch)]
        sizes.append(len(batch))
    assert sizes == [4, 4, 1]


def test_runs_of_several_rows_count_as_so_many() -> None:
    made = busy(max_rows=4)
    runs = [arriving(made, 0.0, rows=rows) for rows in (3, 1, 2, 9, 1)]
    for wanted in (runs[:2], runs[2:3], runs[3:4], runs[4:]):
        made.finish()
        assert made.start(9.0) == wanted


def test_different_keys_never_share_a_batch_and_the_oldest_goes_first() -> None:
    made = busy()
    runs = [arriving(made, float(place), key) for place, key in enumerate("abab")]
    made.finish()
    assert made.start(9.0) == [runs[0], runs[2]]
    assert made.start(9.0) == []
    made.finish()
    assert made.start(9.0) == [runs[1], runs[3]]


def test_no_key_starves_while_another_is_always_full() -> None:
    made = busy(max_rows=2)
    rare = arriving(made, 0.0, "rare")
    started = []
    for now_s in range(1, 6):
        arriving(made, float(now_s), "often")
        arriving(made, float(now_s), "often")
        made.finish()
        started += made.start(float(now_s))
    assert rare in started[:3]


@pytest.mark.parametrize("started", [False, True])
def test_who_leaves_is_in_no_batch_and_who_has_started_cannot_leave(started: bool) -> None:
    made = busy()
    first, second = arriving(made, 0.0), arriving(made, 0.0)
    made.finish()
    if started:
        assert made.start(9.0) == [first, second]
        assert not made.leave(second)
        return
    assert made.leave(first)
    assert made.start(9.0) == [second]
    assert made.leave_all() == []
