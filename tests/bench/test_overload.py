"""The overload benchmark: what it prints, and which figures it does not let pass."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from collections import Counter

import pytest

from bench.overload.result import AGE, AGEING, GROWTH, Fifth, Result, slope_a_minute
from bench.overload.stream import Span, Work
from reelwire.hop.checks import STAGES

WORK = Work(64, 48, "generator", 10.0)
ROW = {"name", "frame", "layout", "mode", "fps", "cpu_ms", "p50_ms", "p99_ms"}
LIVENESS_S = 240


@pytest.mark.slow
def test_a_short_run_accounts_for_every_frame_and_exits_as_its_figures_say() -> None:
    command = "-m bench.overload --json --minutes 0.1 --work-ms 10 --size 64x48"
    done = subprocess.run(
        [sys.executable, *command.split()], capture_output=True, text=True, timeout=LIVENESS_S
    )
    report = json.loads(done.stdout)
    assert done.returncode == bool(report["problems"])
    assert all(f"failed: {problem}" in done.stderr for problem in report["problems"])
    assert report["open_accounts"] == ""
    frames = report["frames"]
    assert frames.pop("sent") == sum(frames.values())
    assert frames["client, overload"] > 0, "twice what the stage can do"
    rows = report["rows"]
    assert len(rows) == 5
    assert all(row.keys() >= ROW and set(row["resident_mb"]) == {"client", *STAGES} for row in rows)
    assert report["settings"]["source_fps"] == 2 * report["settings"]["capacity_fps"]
    assert report["figures"]["stage_ms"] >= 10, "a frame takes no less than its work"
    assert {"machine", "versions", "ratios"} <= report.keys()


def fifth(*ages_ms: float) -> Fifth:
    return Fifth(60.0, 30.0, Span(array("d", ages_ms), Counter()), {"client": 100.0})


def result(*fifths: Fifth, growth_mb: float = 0.0) -> Result:
    """Ten frames under way, ten milliseconds each."""
    memory = [(60.0 + second, 500.0 + growth_mb * second / 60) for second in range(240)]
    return Result(WORK, 5.0, 100.0, 10, fifths=list(fifths), memory=memory)


def test_a_stream_that_stays_as_it_was_has_no_problem() -> None:
    assert result(fifth(100.0, 110.0), fifth(100.0, 120.0), growth_mb=0.9).problems == []


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (result(fifth(100.0), fifth(120.0)), f"{AGEING} is 1.200, at most 1.15: 4% beyond"),
        (result(fifth(220.0), fifth(220.0)), f"{AGE} is 1.100, at most 1: 10% beyond"),
        (result(fifth(100.0), fifth(100.0), growth_mb=2.0), f"{GROWTH} is 2.000, at most 1: 100% beyond"),
        (result(fifth(100.0), fifth()), f"not measured: {AGEING}"),
    ],
    ids=["older at the end", "older than what is under way", "larger", "nothing came at the end"],
)
def test_what_is_over_a_limit_is_said_with_by_how_much(found: Result, problem: str) -> None:
    assert found.problems == [problem]


def test_accounts_that_do_not_close_are_a_problem_whatever_the_ages() -> None:
    found = result(fifth(100.0), fifth(100.0))
    found.open_accounts = "editor: in 5 + made 0, 4 out and lost"
    assert found.problems == ["editor: in 5 + made 0, 4 out and lost"]


def test_the_slope_is_that_of_all_samples_and_not_of_the_outermost() -> None:
    level = [(float(second), 100.0) for second in range(100)]
    assert slope_a_minute([*level, (100.0, 101.0)]) == pytest.approx(0.0, abs=0.05)
    assert slope_a_minute([(second, 2 * second / 60) for second in range(100)]) == pytest.approx(2.0)
