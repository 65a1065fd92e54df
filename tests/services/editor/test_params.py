"""Values from the wire: typed, ranged, refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from reelwire.errors import BadParameter
from services.editor.params import (
    boolean,
    build,
    choice,
    exact,
    hex_color,
    integer,
    number,
    rgb_of,
    string,
    values_of,
)


@dataclass(frozen=True)
class Params:
    part: float = number(0.5, 0, 1, "A part.")
    count: int = integer(2, 1, 9, "A count.")
    on: bool = boolean(False, "A switch.")
    kind: str = choice("a", ("a", "b"), "A kind.")
    tone: str = hex_color("#000000", "A colour.")
    text: str = string("", 5, "A text.")


def _built(values: dict[str, Any]) -> Params:
    struct = Struct()
    struct.update(values)
    built = build(Params, values_of(struct), "test")
    assert isinstance(built, Params)
    return built


def test_what_is_given_is_taken_in_its_type_and_the_rest_by_default() -> None:
    assert _built({}) == Params()
    given = _built({"part": 1, "count": 3.0, "on": True, "kind": "b", "tone": "#Ff8000", "text": "x"})
    assert given == Params(1.0, 3, True, "b", "#Ff8000", "x")
    assert (type(given.part), type(given.count)) == (float, int)
    assert rgb_of(given.tone) == (255, 128, 0)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("part", "0.5", "a number from 0 to 1"),
        ("part", True, "a number from 0 to 1"),
        ("part", None, "a number from 0 to 1"),
        ("part", [1], "a number from 0 to 1"),
        ("part", {"a": 1}, "a number from 0 to 1"),
        ("part", float("inf"), "a number from 0 to 1"),
        ("count", 2.5, "a whole number from 1 to 9"),
        ("count", 10, "a whole number from 1 to 9"),
        ("on", 1, "true or false"),
        ("on", "true", "true or false"),
        ("kind", "c", "one of a, b"),
        ("kind", 1, "quotes"),
        ("tone", "red", "#ff8000"),
        ("tone", "#ff80", "#ff8000"),
        ("text", 2024, "quotes"),
        ("text", "a\0b", "null"),
        ("text", "too long", "at most 5"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_was_expected(
    name: str, value: Any, expected: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        _built({name: value})
    assert caught.value.field == name
    assert name in caught.value.message
    assert '"test"' in caught.value.message
    assert expected in caught.value.message


def test_what_must_be_given_is_asked_for() -> None:
    @dataclass(frozen=True)
    class Needs:
        text: str = string(None, 5, "A text.")

    with pytest.raises(BadParameter, match="text must be given: A text"):
        build(Needs, {}, "test")


@pytest.mark.parametrize(
    ("seconds", "fraction"), [(0.04, (1, 25)), (1 / 3, (1, 3)), (12.5, (25, 2)), (0.0, (0, 1))]
)
def test_seconds_are_taken_as_they_were_meant(seconds: float, fraction: tuple[int, int]) -> None:
    assert exact(seconds).as_integer_ratio() == fraction
