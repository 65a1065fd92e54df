"""The tables in docs/ say what the code says: every setting, every metric, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from reelwire.config_file import parse_config
from reelwire.metrics import REGISTRY
from reelwire.pipeline import parse_effect
from reelwire.settings import PREFIX, Settings
from reelwire.v1.config_pb2 import EffectConfig
from services.editor.params import build, values_of
from services.editor.registry import choose, find_effects

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
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


def check_effect(effect: EffectConfig) -> None:
    """Raises what the editor would."""
    build(choose(find_effects(), effect.name).params, values_of(effect.params), effect.name)


def test_the_pipeline_in_the_readme_is_one() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    config = parse_config(text.partition("```yaml\n")[2].partition("```")[0])
    assert [effect.name for effect in config.editor.effects] == ["grade", "fade"]
    for effect in config.editor.effects:
        check_effect(effect)


def test_the_effects_in_the_readmes_commands_are_there() -> None:
    named = re.findall(r'--effect ("[^"]+"|\S+)', (ROOT / "README.md").read_text("utf-8"))
    assert named
    for text in named:
        check_effect(parse_effect(text.strip('"')))
