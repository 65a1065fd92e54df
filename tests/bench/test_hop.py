"""``python -m bench.hop``: what it prints, what its exit status says, and that nothing is lost on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.hop import GATED, GATES, OURS, PEER, add_ratios, contenders, failed, key_of, works
from bench.pair import Contender, run_pair
from bench.processes import PairFailed
from bench.table import Sample, Table
from tests.bench.running import ROOT, run_bench

SMALL = ("--frame", "64x48", "--layout", "I420", "--seconds", "0.1")
TINY = works(["64x48"], ["RGB24"], 0.1)[0]


def test_ours_is_measured_with_pixels_in_each_place_and_beside_the_limit() -> None:
    rows, data = measured("ours", "memcpy")
    assert rows["saturated"] == {*OURS.values(), PEER["memcpy"]}
    assert rows["echo saturated"] == {OURS["shared_memory"], OURS["inline"]}
    assert data["not_measured"] == {}
    assert any(name.endswith(f"ours, inline / {PEER['memcpy']}") for name in data["ratios"])


@pytest.mark.slow
def test_each_peer_that_is_there_has_a_row_and_the_others_say_why_not() -> None:
    rows, data = measured(*PEER.values())
    assert rows["saturated"] | set(data["not_measured"]) == set(PEER.values())
    assert rows["echo saturated"] == {PEER["stock_grpc"]}


def measured(*names: str) -> tuple[dict[str, set[str]], dict[str, Any]]:
    """The rows' names by mode, and all that was printed."""
    modes = ("saturated", "echo saturated")
    flags = [*(f"--only={name}" for name in names), *(f"--mode={mode}" for mode in modes)]
    data = run_bench("hop", GATES, *SMALL, *flags)
    assert all(row["p99_ms"] >= row["p50_ms"] > 0 for row in data["rows"])
    return {mode: {row["name"] for row in data["rows"] if row["mode"] == mode} for mode in modes}, data


def test_a_peer_that_cannot_be_imported_is_not_measured_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "imagezmq.py").write_text("raise ImportError('not here')\n")
    done = subprocess.run(
        [sys.executable, "-m", "bench.hop", "--json", "--rounds", "1", *SMALL, "--only", "imagezmq"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["not_measured"] == {PEER["imagezmq_reply"]: "not here"}


def test_ours_not_measured_is_a_failure_that_says_why() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.hop", *SMALL, "--mode", "30 fps", "--only", OURS["inline"]],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "REELWIRE_LOG_LEVEL": "loud"},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"failed: {OURS['inline']} was not measured" in done.stderr
    assert "REELWIRE_LOG_LEVEL" in done.stderr


def test_pixels_in_another_place_than_the_one_to_measure_are_refused() -> None:
    with pytest.raises(PairFailed, match="pixels lay shared_memory"):
        run_pair(Contender("ours", "inline", {"REELWIRE_PIXELS": "shared_memory"}), TINY)


def test_every_ratio_that_is_gated_is_one_that_is_made() -> None:
    table = Table({})
    fill(table, ours=1.0)
    assert {gate.ratio for gate in GATES} <= set(table.ratios)


@pytest.mark.parametrize(("ours", "expected"), [(0.05, False), (50.0, True)])
def test_a_ratio_beyond_its_gate_fails_and_says_which_and_by_how_much(
    ours: float, expected: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table({})
    fill(table, ours)
    assert failed(table) is expected
    said = capsys.readouterr().err
    assert ("ours, shared_memory / imagezmq REQ/REP is 50.000, at most 0.6: 8233% beyond" in said) is expected


def fill(table: Table, ours: float) -> None:
    """Every peer costs 1 ms of CPU and takes 1 ms, ours costs and takes ``ours``."""
    todo = works([GATED[0]], [GATED[1]], 1.0)
    for work in todo:
        for contender in contenders():
            cost = ours if contender.place else 1.0
            table.add(key_of(contender, work), Sample(1000.0, cost, cost, cost))
    add_ratios(table, todo)
