"""Runs a benchmark as its users do, briefly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.table import Gate

ROOT = Path(__file__).resolve().parent.parent.parent
BRIEFLY = ("--rounds", "1", "--seconds", "0.2", "--json")
FIELDS = {"name", "frame", "layout", "mode", "fps", "cpu_ms", "p50_ms", "p99_ms"}


def run_bench(name: str, gates: Sequence[Gate], *arguments: str) -> dict[str, Any]:
    """What ``python -m bench.NAME --json`` prints, checked: the form of its rows, and its exit status against
    the ``gates``."""
    command = [sys.executable, "-m", f"bench.{name}", *BRIEFLY, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    assert {"machine", "versions", "rows", "ratios"} <= set(data)
    assert all(set(row) >= FIELDS and row["fps"] > 0 and row["cpu_ms"] > 0 for row in data["rows"])
    ratios = data["ratios"]
    missed = [gate.ratio for gate in gates if gate.ratio in ratios and gate.problem(ratios[gate.ratio])]
    assert done.returncode == bool(missed)
    assert [line for line in missed if f"failed: {line}" not in done.stderr] == []
    return data
