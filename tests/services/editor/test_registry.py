"""Effects that other packages bring, and what a listing says of all of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from reelwire.errors import FailedPrecondition
from services.editor.listing import list_effects
from services.editor.registry import find_effects
from tests.services.editor.streams import clip, factory, run_clip

ROOT = Path(__file__).resolve().parents[3]
INVERT = '''"""Turns levels round.

More about it.
"""
from dataclasses import dataclass
from services.editor.params import number, choice, integer, boolean, string

@dataclass(frozen=True)
class Params:
    label: str = string(None, 9, "What.", fixed=True)
    amount: float = number(1.0, 0, 2, "How much.")
    steps: int = integer(3, 1, 9, "How often.")
    shape: str = choice("round", ("round", "square"), "Which.")
    loud: bool = boolean(True, "Whether.")

def apply(frame, params):
    return frame.showing(255 - frame.pixels)
'''


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> None:
    """A package of the environment, as pip would leave it."""
    (folder / f"{name}_effects_test.py").write_text(source)
    info = folder / f"{name}_effects_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-effects-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[reelwire.effects]\n{name} = {name}_effects_test\n")
    monkeypatch.syspath_prepend(folder)


def test_a_package_brings_an_effect_that_is_one_among_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, "invert", INVERT)
    editor = factory()
    pixels = clip(2)
    made = run_clip(editor, [("invert", {"label": "x"}), ("grade", {"saturation": 0})], pixels)
    plain = run_clip(editor, [("grade", {"saturation": 0})], 255 - pixels)
    assert made.bytes == plain.bytes
    editor.close()


def test_the_effect_in_the_documentation_works_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "adding-an-effect.md").read_text("utf-8")
    _install(tmp_path, monkeypatch, "negative", page.partition("```python\n")[2].partition("```")[0])
    editor = factory()
    pixels = clip(2)
    np.testing.assert_array_equal(np.stack(run_clip(editor, [("negative", {})], pixels).pixels), 255 - pixels)
    neutral = editor.kinds["negative"].neutral
    assert neutral is not None
    np.testing.assert_array_equal(
        run_clip(editor, [("negative", dict(neutral))], pixels).pixels[1], pixels[1]
    )
    editor.close()


def test_every_example_that_the_documentation_names_is_there() -> None:
    page = (ROOT / "docs" / "adding-an-effect.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)\.py`", page))
    assert len(named) >= 6
    assert named <= set(find_effects())


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("grade", INVERT, 'effect "grade" of grade_effects_test has the name of another'),
        ("broken", "import nothing_of_that_name", "nothing_of_that_name"),
        ("empty", "", "no dataclass Params"),
        ("bare", INVERT.replace('number(1.0, 0, 2, "How much.")', "1.0"), "without type, range and help"),
        ("idle", INVERT.replace("def apply", "def other"), "neither a function apply nor a class Effect"),
    ],
)
def test_a_package_that_cannot_be_used_is_an_error_at_start_that_names_it(
    name: str, source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, monkeypatch, name, source)
    with pytest.raises(FailedPrecondition, match=words) as caught:
        factory()
    assert f"{name}_effects_test" in caught.value.message


def test_an_effect_that_gives_another_size_than_it_said_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = INVERT.replace("255 - frame.pixels", "frame.pixels[:-1]")
    _install(tmp_path, monkeypatch, "cutter", source)
    with pytest.raises(FailedPrecondition, match=r'"cutter" gave \[47, 64, 3\]; expected \[48, 64, 3\]'):
        run_clip(factory(), [("cutter", {"label": "x"})], clip(1))


def test_a_listing_says_all_about_each_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, monkeypatch, "invert", INVERT)
    effects = {effect.name: effect for effect in list_effects(find_effects()).effects}
    assert list(effects) == sorted(effects)
    assert {"grade", "text", "overlay", "fade", "trim", "filter"} <= set(effects)
    assert {"background_blur", "background_replace", "blur_faces"} <= set(effects)
    invert = effects["invert"]
    assert invert.help == "Turns levels round."
    label, amount, steps, shape, loud = invert.params
    assert (amount.type, amount.default_value.number_value, amount.minimum, amount.maximum, amount.help) == (
        "number", 1.0, 0.0, 2.0, "How much.",
    )  # fmt: skip
    assert (steps.type, steps.default_value.number_value, steps.minimum, steps.maximum) == (
        "integer",
        3,
        1,
        9,
    )
    assert (shape.type, shape.default_value.string_value, list(shape.choices)) == (
        "choice", "round", ["round", "square"],
    )  # fmt: skip
    assert (loud.type, loud.default_value.bool_value, loud.HasField("minimum")) == ("boolean", True, False)
    assert (label.type, label.HasField("default_value"), label.help) == (
        "string", False, "What. Fixed for a stream.",
    )  # fmt: skip
