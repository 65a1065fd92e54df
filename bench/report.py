"""What every benchmark prints: the machine, the versions, medians and ratios; as text or as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

MEASURED = (
    "reelwire", "av", "grpcio", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino",
    "opencv-python-headless", "imagezmq", "pyzmq", "vidgear",
)  # fmt: skip


@dataclass
class Row:
    """One thing that was measured: a value for each time, in the unit that ``name`` ends with."""

    name: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)


@dataclass
class Report:
    """A benchmark's result. ``ratios`` by what they compare; ``settings``: what the work was; ``figures``:
    what else was found, each name with its unit."""

    rows: Sequence[Row]
    ratios: dict[str, float]
    settings: dict[str, Any]
    figures: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as ``--json`` prints them."""
        return {
            "machine": machine(),
            "versions": versions(),
            "settings": self.settings,
            "rows": [{"name": row.name, "median": row.median, "values": row.values} for row in self.rows],
            "figures": self.figures,
            "ratios": self.ratios,
        }

    def print(self, *, as_json: bool) -> None:
        """To standard output."""
        data = self.as_dict()
        if as_json:
            print(json.dumps(data, indent=2))
            return
        print_head(data)
        width = max((len(row.name) for row in self.rows), default=0)
        for row in self.rows:
            spread = f"{min(row.values):.2f} to {max(row.values):.2f}, n = {len(row.values)}"
            print(f"{row.name:<{width}}  median {row.median:8.2f}   ({spread})")
        for name, value in self.figures.items():
            print(f"{name}: {value:.2f}")
        for name, value in self.ratios.items():
            print(f"{name}: {value:.3f}")


def print_head(data: Mapping[str, Any], titles: Sequence[str] = ("machine", "versions", "settings")) -> None:
    """A line for each of these parts of a report."""
    for title in titles:
        print(f"{title}: " + ", ".join(f"{name} {value}" for name, value in data[title].items()))


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, system."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "usable_cores": usable,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Python's, and those packages' that decide the figures, where they are installed."""
    found = {"python": platform.python_version()}
    for name in MEASURED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def percentile(values: Iterable[float], percent: float) -> float:
    """The nearest-rank percentile: always one of the values."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def say(text: str) -> None:
    """Progress, to standard error: standard output is the report's."""
    print(text, file=sys.stderr, flush=True)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
