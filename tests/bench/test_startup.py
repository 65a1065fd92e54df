"""``python -m bench.startup``: both starts are timed, on what ``auto`` chose; the limit is checked."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.startup import EMPTY, KEPT, LIMIT_S, read_command_line
from tests.bench.running import ROOT


def test_a_start_with_and_without_a_kept_choice_is_timed_and_the_status_says_whether_it_is_too_slow() -> None:
    command = [sys.executable, "-m", "bench.startup", "--rounds", "1", "--size", "64x36", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    data = json.loads(done.stdout)
    assert [row["name"] for row in data["rows"]] == [EMPTY, KEPT]
    slowest = max(value for row in data["rows"] for value in row["values"])
    assert data["ratios"]["slowest start / limit"] == pytest.approx(slowest / LIMIT_S)
    assert done.returncode == (slowest > LIMIT_S)
    assert len(data["settings"]["chosen"].split(" or ")) == 1, "the second start measured again"


@pytest.mark.parametrize("wrong", [("--rounds", "0"), ("--rounds", "many")])
def test_settings_that_cannot_be_are_refused(wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        read_command_line(wrong)
