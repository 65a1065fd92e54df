"""Values written as TOML are read back the same, whole model.toml files of models that ship among them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from exporters.errors import ExportError
from exporters.table import BEGIN, END, markdown, write_between
from exporters.toml import toml_text
from reelwire.models.library import SHIPPED
from reelwire.models.manifest import read_manifest

VALUES = {
    "name": 'quoted "twice", a \\ and a\ttab, \x7f, ü',
    "count": 3,
    "small": 1e-07,
    "whole": 30.0,
    "yes": True,
    "list": [1, "two", [3.5]],
    "table": {"key with space": 1, "x": -0.5},
    "state": [{"input": "h", "shape": [1, 16, "H/4", "W/4"]}, {"input": "c"}],
    "profiles": [{"name": "720p", "inputs": {"frame": [[1, 3, 32, 32], [1, 3, 64, 64]], "a b": []}}],
}


def test_values_are_read_back_the_same_with_their_types() -> None:
    read = tomllib.loads(toml_text(VALUES))
    assert read == VALUES
    assert type(read["whole"]) is float
    assert type(read["count"]) is int


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*/model.toml")), ids=lambda path: path.parent.name)
def test_a_model_toml_that_is_rewritten_means_the_same(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "model.toml"
    again.write_text(toml_text(tomllib.loads(path.read_text())), encoding="utf-8")
    assert read_manifest(again) == read_manifest(path)


def test_what_toml_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="no NoneType"):
        toml_text({"nothing": None})


def test_a_table_takes_the_place_between_its_markers_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between(document, markdown(["a", "b"], [["1", "x|y"]]))
    assert document.read_text() == f"before\n{BEGIN}\n| a | b |\n| --- | --- |\n| 1 | x/y |\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["nothing", f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", BEGIN])
def test_a_document_without_its_markers_stays_as_it_is(text: str, tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    document.write_text(text)
    with pytest.raises(ExportError, match="must hold"):
        write_between(document, "table")
    assert document.read_text() == text
