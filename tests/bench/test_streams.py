"""``python -m bench.streams``: what it prints, what its exit status says."""

from __future__ import annotations

import pytest

from bench.many import Crowd
from bench.streams import FAIR, MANY, PLACES, SOME, fairness_of, gates, key_of, scaling_of
from bench.table import Sample, Table, missed
from tests.bench.running import run_bench


def test_each_number_of_streams_has_a_row_and_a_fairness() -> None:
    data = run_bench("streams", gates(PLACES), "--streams", "3")
    assert {(row["mode"], row["name"]) for row in data["rows"]} == {
        ("3 at once", "ours, shared_memory"),
        ("3 at once", "ours, inline"),
    }
    assert all(0 < data["ratios"][fairness_of(3, place)] <= 1 for place in PLACES)
    assert all(row["p99_ms"] >= row["p50_ms"] > 0 for row in data["rows"])


@pytest.mark.parametrize(
    ("fairness", "many_fps", "expected"), [(0.9, 80.0, False), (0.7, 80.0, True), (0.9, 60.0, True)]
)
def test_streams_that_are_unfair_or_slower_when_they_are_many_are_failures(
    fairness: float, many_fps: float, expected: bool
) -> None:
    table = Table({})
    for count, fps in ((SOME, 100.0), (MANY, many_fps)):
        table.add(key_of(Crowd(count, 320, 180, 1.0), "inline"), Sample(fps, 1.0))
    table.ratios[fairness_of(FAIR, "inline")] = fairness
    table.divide(
        scaling_of("inline"), "fps", *(key_of(Crowd(n, 320, 180, 1.0), "inline") for n in (MANY, SOME))
    )
    assert missed(table, gates(["inline"])) is expected
