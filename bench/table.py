"""A benchmark's table: medians over rounds for each row, ratios between rows, and the gates on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.report import machine, print_head, say, versions

COLUMNS = ("fps", "cpu_ms", "p50_ms", "p99_ms")


@dataclass(frozen=True)
class Sample:
    """One run: frames per second, CPU of all processes for each, and milliseconds of a frame's way, None
    where nothing tells."""

    fps: float
    cpu_ms: float
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, order=True)
class Key:
    """What a row is about. ``frame`` is WIDTHxHEIGHT."""

    frame: str
    layout: str
    mode: str
    name: str


@dataclass(frozen=True)
class Gate:
    """A ratio's limit: at most, or at least where ``least``."""

    ratio: str
    limit: float
    least: bool = False

    def problem(self, value: float) -> str:
        """By how much it is missed; empty where it is kept."""
        if (value >= self.limit) if self.least else (value <= self.limit):
            return ""
        side = "least" if self.least else "most"
        return (
            f"{self.ratio} is {value:.3f}, at {side} {self.limit:g}: {abs(value / self.limit - 1):.0%} beyond"
        )


@dataclass
class Table:
    """Rows as they are measured; ``not_measured``: what could not be, and why."""

    settings: dict[str, Any]
    samples: dict[Key, list[Sample]] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)

    def add(self, key: Key, sample: Sample) -> None:
        """One round's."""
        self.samples.setdefault(key, []).append(sample)

    def median(self, key: Key, column: str) -> float | None:
        """Over the rounds; None: not measured."""
        values = [getattr(sample, column) for sample in self.samples.get(key, ())]
        known = [value for value in values if value is not None]
        return median(known) if known else None

    def divide(self, name: str, column: str, above: Key, below: Key) -> None:
        """Adds a ratio of two medians, where both were measured."""
        over, under = self.median(above, column), self.median(below, column)
        if over is not None and under:
            self.ratios[name] = over / under

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as ``--json`` prints them."""
        return {
            "machine": machine(),
            "versions": versions(),
            "settings": self.settings,
            "rows": [
                {**asdict(key), **{column: self.median(key, column) for column in COLUMNS}}
                | {"rounds": [asdict(sample) for sample in self.samples[key]]}
                for key in self.samples
            ],
            "ratios": self.ratios,
            "not_measured": self.not_measured,
        }

    def print(self, *, as_json: bool) -> None:
        """To standard output."""
        data = self.as_dict()
        if as_json:
            print(json.dumps(data, indent=2))
            return
        print_head(data)
        width = max((len(key.name) for key in self.samples), default=4)
        print(f"{'frame':<10} {'layout':<6} {'mode':<15} {'name':<{width}}" + "".join(map(_head, COLUMNS)))
        for key in self.samples:
            cells = "".join(_cell(self.median(key, column)) for column in COLUMNS)
            print(f"{key.frame:<10} {key.layout:<6} {key.mode:<15} {key.name:<{width}}{cells}")
        for name, value in self.ratios.items():
            print(f"{name}: {value:.3f}")
        for name, why in self.not_measured.items():
            print(f"not measured: {name}: {why}")


def _cell(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:>10.3f}"


def _head(column: str) -> str:
    return f"{column:>10}"


def missed(table: Table, gates: tuple[Gate, ...], tell: Callable[[str], None] = say) -> bool:
    """Says which gates are missed, and which could not be checked; True where one is missed."""
    problems = []
    for gate in gates:
        value = table.ratios.get(gate.ratio)
        if value is None:
            tell(f"not checked: {gate.ratio}")
            continue
        problems.append(gate.problem(value))
    for problem in filter(None, problems):
        tell(f"failed: {problem}")
    return any(problems)
