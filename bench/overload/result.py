"""What was found: a row for each fifth of the time, ratios against their limits, and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.overload.stream import Span, Work
from bench.report import machine, percentile, print_head, versions
from bench.table import Gate

SLACK_MS = 100.0
AGEING = "age p95, last fifth / first"
AGE = "age p99 / (frames under way at most x time of the slow stage + 100 ms)"
GROWTH = "memory of all processes after the first fifth, MB a minute / 1"
GATES = (Gate(AGEING, 1.15), Gate(AGE, 1.0), Gate(GROWTH, 1.0))


@dataclass(frozen=True)
class Fifth:
    """One stretch. ``resident_mb`` by process, at its end."""

    seconds: float
    cpu_s: float
    span: Span
    resident_mb: Mapping[str, float]

    def row(self, name: str, work: Work) -> dict[str, Any]:
        """As ``--json`` prints it."""
        ages = self.span.ages_ms
        return {
            "name": name,
            "frame": f"{work.width}x{work.height}",
            "layout": "I420",
            "mode": "live, twice the capacity",
            "fps": len(ages) / self.seconds,
            "cpu_ms": self.cpu_s / max(1, len(ages)) * 1e3,
            **{f"p{percent}_ms": percentile(ages, percent) if ages else None for percent in (50, 95, 99)},
            "resident_mb": dict(self.resident_mb),
            "dropped": {f"{stage}, {reason}": n for (stage, reason), n in sorted(self.span.dropped.items())},
        }


@dataclass
class Result:
    """A whole run. ``memory``: (seconds, MB of all processes) after the first fifth. ``open_accounts``: what
    does not close, in words."""

    work: Work
    minutes: float
    capacity_fps: float
    under_way_at_most: int
    most_under_way: int = 0
    fifths: list[Fifth] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    frames: dict[str, int] = field(default_factory=dict)
    transports: dict[str, str] = field(default_factory=dict)
    open_accounts: str = ""

    @property
    def stage_ms(self) -> float:
        """What the slow stage takes for a frame, from one to the next."""
        return 1000 / self.capacity_fps

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One for each fifth."""
        each = self.minutes / max(1, len(self.fifths))
        return [
            fifth.row(f"{number * each:.3g} to {(number + 1) * each:.3g} min", self.work)
            for number, fifth in enumerate(self.fifths)
        ]

    @property
    def ratios(self) -> dict[str, float]:
        """What the gates are about; those that too few frames give no figure for are left out."""
        found = {}
        first, last = self.fifths[0].span.ages_ms, self.fifths[-1].span.ages_ms
        if first and last:
            found[AGEING] = percentile(last, 95) / percentile(first, 95)
        ages = [age for fifth in self.fifths for age in fifth.span.ages_ms]
        if ages:
            limit_ms = self.under_way_at_most * self.stage_ms + SLACK_MS
            found[AGE] = percentile(ages, 99) / limit_ms
        if len(self.memory) > 1:
            found[GROWTH] = slope_a_minute(self.memory)
        return found

    @property
    def problems(self) -> list[str]:
        """Every limit that is not kept, and by how much."""
        ratios = self.ratios
        found = [gate.problem(ratios[gate.ratio]) for gate in GATES if gate.ratio in ratios]
        found += [f"not measured: {gate.ratio}" for gate in GATES if gate.ratio not in ratios]
        return [*filter(None, found), *filter(None, [self.open_accounts])]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as ``--json`` prints them."""
        return {
            "machine": machine(),
            "versions": versions(),
            "settings": {
                "minutes": self.minutes,
                "slow": self.work.slow,
                "work_ms": self.work.work_ms,
                "capacity_fps": self.capacity_fps,
                "source_fps": 2 * self.capacity_fps,
                "pixels": self.transports,
            },
            "rows": self.rows,
            "figures": {
                "stage_ms": self.stage_ms,
                "under_way_at_most_frames": self.under_way_at_most,
                "most_under_way_frames": self.most_under_way,
            },
            "frames": self.frames,
            "open_accounts": self.open_accounts,
            "ratios": self.ratios,
            "problems": self.problems,
        }

    def print(self, *, as_json: bool) -> None:
        """To standard output."""
        data = self.as_dict()
        if as_json:
            print(json.dumps(data, indent=2))
            return
        print_head(data, ("machine", "versions", "settings", "figures", "frames"))
        print(f"{'':<16}{'fps':>8}{'cpu_ms':>8}{'p50_ms':>8}{'p95_ms':>8}{'p99_ms':>8}  resident MB; dropped")
        for row in data["rows"]:
            ages = "".join(
                f"{row[name] or 0:>8.1f}" for name in ("fps", "cpu_ms", "p50_ms", "p95_ms", "p99_ms")
            )
            resident = " ".join(f"{name} {mb:.1f}" for name, mb in row["resident_mb"].items())
            dropped = ", ".join(f"{name} {count}" for name, count in row["dropped"].items())
            print(f"{row['name']:<16}{ages}  {resident}; {dropped or 'nothing'}")
        for name, value in data["ratios"].items():
            print(f"{name}: {value:.3f}")
        print(f"accounts: {self.open_accounts or 'close to the frame'}")


def slope_a_minute(samples: Sequence[tuple[float, float]]) -> float:
    """Least squares over (seconds, value): the value's growth in a minute."""
    seconds, values = np.array(samples).T
    return float(np.polyfit(seconds - seconds[0], values, 1)[0] * 60)
