"""A service keeps nothing of a stream that has ended."""

from __future__ import annotations

import pytest

from bench.soak import Held, Kept, soak


@pytest.mark.slow
async def test_many_streams_one_after_another_leave_no_memory_file_or_thread_behind() -> None:
    kept = await soak(100)
    assert [each.stage for each in kept] == ["preprocess", "generator", "editor", "encoder"]
    assert [each.problem for each in kept if each.problem] == []


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (Held(102_000_000, 16, 11), ""),
        (Held(103_000_000, 16, 11), "encoder grew by 30000 bytes a stream, the limit is 20000"),
        (Held(100_000_000, 17, 11), "encoder has 17 files, 16 after 50 streams"),
        (Held(90_000_000, 16, 12), "encoder has 12 threads, 11 after 50 streams"),
    ],
    ids=["as much as may be", "memory", "a file", "a thread"],
)
def test_what_is_left_behind_is_named(after: Held, problem: str) -> None:
    assert Kept("encoder", 100, Held(100_000_000, 16, 11), after).problem == problem
