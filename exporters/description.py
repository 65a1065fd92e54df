"""model.toml of an exported checkpoint: what it is, how it was trained, what was measured."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporters.against_torch import Parity
from exporters.half_by_torch import HalfParity
from training.checkpoint import Checkpoint

LICENSE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Naming:
    """What the person who exports decides."""

    name: str
    version: str
    license: str = LICENSE


def training_command(checkpoint: Checkpoint) -> str:
    """The command that trains this checkpoint again, with all arguments that decide the result: a default may
    change."""
    words = ["python", "-m", "training.train", checkpoint.model, "--out", f"runs/{checkpoint.model}"]
    for name, value in checkpoint.config.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    if checkpoint.step < int(checkpoint.config["steps"]):
        words += ["--stop-after", str(checkpoint.step)]
    return shlex.join(words)


def describe(
    manifest: Mapping[str, Any],
    naming: Naming,
    checkpoint: Checkpoint,
    sha256: str,
    metrics: Mapping[str, Any],
) -> dict[str, Any]:
    """model.toml as plain values; its keys: ``reelwire/models/manifest.py``. ``metrics``: what was
    measured."""
    tables = {key: value for key, value in manifest.items() if isinstance(value, Mapping | list)}
    plain = {key: value for key, value in manifest.items() if key not in tables}
    head = {
        "name": naming.name,
        "version": naming.version,
        **plain,
        "license": naming.license,
        "training": training_command(checkpoint),
        "sha256": sha256,
    }
    tables["metrics"] = {**tables.get("metrics", {}), "training_steps": checkpoint.step, **metrics}
    return {**head, **tables}


def parity_metrics(parity: Parity) -> dict[str, Any]:
    """[metrics] of a comparison with PyTorch."""
    sizes = " ".join("x".join(map(str, size)) for size in parity.sizes)
    found: dict[str, Any] = {
        "parity_max_abs_error": float(f"{parity.error:.3g}"),
        "parity_with": f"torch and {parity.backend}, at {sizes}",
    }
    if parity.steps:
        found["parity_steps"] = parity.steps
        found["parity_steps_max_abs_error"] = float(f"{parity.steps_error:.3g}")
    return found


def half_metrics(half: HalfParity) -> dict[str, Any]:
    """[metrics] of PyTorch in half against PyTorch in float."""
    return {
        "half_steps": half.steps,
        "half_max_abs_error": float(f"{half.error:.3g}"),
        "half_late_max_abs_error": float(f"{half.late_error:.3g}"),
    }
