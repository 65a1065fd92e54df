"""What the checks found: a line for each on the terminal, one JSON report, one exit status."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

Figures = dict[str, float | int | str]
ALL_PASSED, SOMETHING_FAILED, NOTHING_TO_RUN_ON = 0, 1, 3
"""Exit statuses; argparse has 2."""


class Status(StrEnum):
    """How a check ended. What was skipped never counts as passed."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True)
class Result:
    """One line. ``subject``: what was looked at; ``why``: of a failure or skip, with the fix where there is
    one; units are the figures' suffixes."""

    status: Status
    subject: str = ""
    why: str = ""
    figures: Figures = field(default_factory=dict)
    check: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        told = ", ".join(f"{name} {_short(value)}" for name, value in self.figures.items())
        parts = [f"{self.status} {self.check}", self.subject, told, self.why]
        return ": ".join(part for part in parts if part)


def passed(subject: str = "", **figures: float | int | str) -> Result:
    """It holds."""
    return Result(Status.PASS, subject, "", figures)


def failed(subject: str, why: str, **figures: float | int | str) -> Result:
    """It does not."""
    return Result(Status.FAIL, subject, " ".join(why.split()), figures)


def skipped(subject: str, why: str, **figures: float | int | str) -> Result:
    """It could not be found out here."""
    return Result(Status.SKIP, subject, " ".join(why.split()), figures)


def held(ok: bool, subject: str, why: str, **figures: float | int | str) -> Result:
    """Passed, or failed for ``why``."""
    return passed(subject, **figures) if ok else failed(subject, why, **figures)


class Report:
    """Grows as the checks run; its file, too, so that a crash leaves what was found before it."""

    def __init__(self, facts: dict[str, Any], out: Path | None) -> None:
        """``facts``: of the machine and the run. ``out``: the file; None: none."""
        self._facts, self._out = facts, out
        self.results: list[Result] = []
        self.stopped = False

    def add(self, result: Result, check: str, about: str, seconds: float) -> None:
        """``about``: what the check was run on, before the result's own subject."""
        subject = " ".join(part for part in (about, result.subject) if part)
        told = replace(result, check=check, subject=subject, seconds=round(seconds, 3))
        self.results.append(told)
        print(told, flush=True)
        self.write()

    @property
    def exit_status(self) -> int:
        """0: nothing failed; 1: something did; 3: there was nothing to run on."""
        if self.stopped:
            return NOTHING_TO_RUN_ON
        return SOMETHING_FAILED if self._counts[Status.FAIL] else ALL_PASSED

    @property
    def summary(self) -> str:
        """The last line."""
        counts = self._counts
        line = f"{counts[Status.PASS]} passed, {counts[Status.FAIL]} failed, {counts[Status.SKIP]} skipped"
        return f"{line}; stopped at preflight" if self.stopped else line

    def write(self) -> None:
        """The file, as of now."""
        if self._out is None:
            return
        counts = {status.value: self._counts[status] for status in Status}
        told = {**self._facts, "exit_status": self.exit_status, "counts": counts}
        results = [asdict(result) for result in self.results]
        self._out.write_text(json.dumps({**told, "checks": results}, indent=1) + "\n", encoding="utf-8")

    @property
    def _counts(self) -> Counter[Status]:
        return Counter(result.status for result in self.results)


def _short(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
