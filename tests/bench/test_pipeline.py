"""``python -m bench.pipeline``: what it prints, what its exit status says, that all do the same work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.pipeline import CLIP, GATES, SIDES, read_command_line
from bench.plain import Model, ahead, run_plain
from tests.bench.running import run_bench

SMALL = ("--size", "64x36", "--seconds", "0.3")


def test_the_pipeline_prints_a_row_for_each_side_and_its_status_says_whether_a_gate_is_missed() -> None:
    data = run_bench("pipeline", GATES, *SMALL)
    assert [row["name"] for row in data["rows"]] == list(SIDES)
    assert {row["p50_ms"] for row in data["rows"]} == {None}
    assert {gate.ratio for gate in GATES} <= set(data["ratios"])


def test_the_plain_process_writes_the_same_file_with_a_thread_for_each_step(tmp_path: Path) -> None:
    work = read_command_line(SMALL).work
    model, written = Model(Path(work.model), work.threads), []
    for threaded in (False, True):
        out = tmp_path / f"{threaded}.mp4"
        written.append((run_plain(CLIP, out, replace(work, threaded=threaded), model), out.read_bytes()))
    assert written[0] == written[1]
    assert written[0][0] == 8


def test_what_goes_wrong_in_a_thread_is_raised_where_its_frames_are_taken() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    taken = ahead(broken())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(taken)


@pytest.mark.parametrize("wrong", [("--rounds", "0"), ("--threads", "0"), ("--model", "unknown")])
def test_settings_that_cannot_be_are_refused(wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        read_command_line(wrong)
