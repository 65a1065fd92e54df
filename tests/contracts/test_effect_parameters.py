"""The contract of every effect's parameters, found by listing: said whole, ranged, refused by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reelwire.errors import BadParameter
from services.editor.params import specs_of
from services.editor.registry import find_effects
from services.editor.stage import EditorFactory
from tests.services.editor.assets import EXAMPLES, write_assets
from tests.services.editor.models import write_models
from tests.services.editor.streams import factory, open_stream, video

KINDS = find_effects()
EVERY = pytest.mark.parametrize("name", sorted(KINDS))
NUMBERS = [
    (name, param)
    for name in sorted(KINDS)
    for param, spec in specs_of(KINDS[name].params).items()
    if spec.type in ("number", "integer")
]
WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorFactory]:
    models = write_models(tmp_path_factory.mktemp("models"))
    editor = factory(write_assets(tmp_path_factory.mktemp("assets")), models)
    yield editor
    editor.close()


@EVERY
def test_it_says_what_it_is_and_what_each_parameter_does(name: str) -> None:
    assert KINDS[name].help.endswith(".")
    for param, spec in specs_of(KINDS[name].params).items():
        assert spec.help.endswith("."), param
        assert spec.type in ("number", "integer", "boolean", "string", "choice")
        if spec.type in ("number", "integer"):
            assert spec.minimum is not None
            assert spec.maximum is not None
            assert spec.minimum < spec.maximum


@EVERY
def test_its_parameters_cannot_be_changed_by_an_effect(name: str) -> None:
    assert KINDS[name].params.__dataclass_params__.frozen


@EVERY
def test_an_unknown_parameter_is_refused_by_name(name: str, editor: EditorFactory) -> None:
    with pytest.raises(BadParameter, match=r"wobble.*not found.*available") as caught:
        open_stream(editor, [(name, {**EXAMPLES[name], "wobble": 1})], [video(WIDTH, HEIGHT)])
    assert caught.value.field == "wobble"


@pytest.mark.parametrize(("name", "param"), NUMBERS, ids=["-".join(each) for each in NUMBERS])
@pytest.mark.parametrize("place", ["below", "above", "nan", "text"])
def test_a_number_out_of_range_is_refused_by_name(
    name: str, param: str, place: str, editor: EditorFactory
) -> None:
    spec = specs_of(KINDS[name].params)[param]
    assert spec.minimum is not None
    assert spec.maximum is not None
    value = {"below": spec.minimum - 1, "above": spec.maximum + 1, "nan": float("nan"), "text": "much"}[place]
    with pytest.raises(BadParameter, match=param) as caught:
        open_stream(editor, [(name, {**EXAMPLES[name], param: value})], [video(WIDTH, HEIGHT)])
    assert caught.value.field == param
