"""The tables in docs/ say what the code says: every setting, every metric, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from reelwire.metrics import REGISTRY
from reelwire.settings import PREFIX, Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
SUFFIX = {"counter": "_total", "info": "_info"}


def rows(page: str) -> list[list[str]]:
    """The cells of each table row whose first cell is code."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if line.startswith("| `")
    ]


def test_every_setting_is_documented_as_it_is() -> None:
    documented = {cells[0].strip("`"): (cells[1].strip("`"), cells[2]) for cells in rows("settings.md")}
    fields = {PREFIX + name.upper(): field for name, field in Settings.model_fields.items()}
    assert list(documented) == list(fields)
    for name, field in fields.items():
        default, text = documented[name]
        assert text == field.description, name
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert float(default) == field.default, name


def test_every_metric_is_documented_as_it_is() -> None:
    documented = {cells[0].strip("`"): cells[2] for cells in rows("metrics.md")}
    families = {
        family.name + SUFFIX.get(family.type, ""): family.documentation for family in REGISTRY.collect()
    }
    assert documented == families
