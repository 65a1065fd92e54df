"""model.toml of an exported checkpoint: what it is, how it was trained, what was measured."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exporters.parity import Parity
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
    manifest: Mapping[str, Any], naming: Naming, checkpoint: Checkpoint, sha256: str, parity: Parity
) -> str:
    """The text of model.toml; its keys: ``reelwire/models/manifest.py``."""
    sizes = " ".join("x".join(map(str, size)) for size in parity.sizes)
    metrics = {
        "training_steps": checkpoint.step,
        "parity_max_abs_error": float(f"{parity.error:.3g}"),
        "parity_with": f"torch and {parity.backend}, at {sizes}",
    }
    tables = {key: value for key, value in manifest.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in manifest.items() if key not in tables}
    head = {
        "name": naming.name,
        "version": naming.version,
        **plain,
        "license": naming.license,
        "training": training_command(checkpoint),
        "sha256": sha256,
    }
    tables["metrics"] = {**tables.get("metrics", {}), **metrics}
    parts = [_lines(head), *(f"\n[{name}]\n{_lines(table)}" for name, table in tables.items())]
    return "".join(parts)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: str | float | bool | list[Any]) -> str:
    """A TOML value: JSON writes strings, numbers, booleans and lists of them the same way."""
    return json.dumps(value, ensure_ascii=False)
