"""``python -m bench.engines``: each engine and precision that is here has a row, a ratio and its likeness."""

from __future__ import annotations

import pytest

from bench.engines import CONTENDERS, EXACT, gates, likeness, read_command_line
from reelwire.models.library import SHIPPED
from reelwire.models.loading import read_files
from reelwire.models.location import locate
from tests.bench.running import run_bench

GATES = gates(read_files(locate(SHIPPED / "restyle")))


def test_every_contender_is_a_row_or_is_said_not_to_be_measured_and_why() -> None:
    data = run_bench("engines", GATES, "--size", "64x36")
    rows = [row["name"] for row in data["rows"]]
    assert sorted(rows + list(data["not_measured"])) == sorted(CONTENDERS)
    assert all(data["not_measured"].values())
    for name in rows:
        assert data["ratios"][likeness(name)] > 20
        assert name == EXACT or data["ratios"][f"{name} / {EXACT}"] > 0
    assert data["ratios"][likeness(EXACT)] == 120


def test_what_is_less_exact_has_a_floor_and_both_speeds_a_gate() -> None:
    assert {gate.ratio: gate.limit for gate in GATES[:2]} == {
        "openvino int8 / onnxruntime fp32": 3.0,
        "openvino bf16 / onnxruntime fp32": 1.8,
    }
    assert {gate.ratio for gate in GATES[2:]} == {
        likeness(name) for name in CONTENDERS if not name.endswith("fp32")
    }
    assert all(gate.least for gate in GATES)


@pytest.mark.parametrize("wrong", [("--rounds", "0"), ("--threads", "0"), ("--model", "unknown")])
def test_settings_that_cannot_be_are_refused(wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        read_command_line(wrong)
