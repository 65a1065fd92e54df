"""Parameters of an effect: a frozen dataclass whose fields say type, range and help; from the wire."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from fractions import Fraction
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value

from reelwire.choices import choose_from
from reelwire.errors import BadParameter
from reelwire.v1.pipeline_pb2 import ParamInfo

Color = tuple[int, int, int]
MAX_TIME_S = 604800.0  # a week
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_SPEC = "spec"


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """What a field takes. ``type`` as ParamInfo has it. ``is_color``: a string "#rrggbb". ``fixed``: cannot
    change while a stream runs. ``max_length`` of a string in characters."""

    type: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    max_length: int = 0
    is_color: bool = False
    fixed: bool = False


def number(default: float, minimum: float, maximum: float, help_: str) -> Any:
    """A float field with a range."""
    return _field(default, ParamSpec("number", help_, minimum, maximum))


def seconds(default: float, help_: str) -> Any:
    """A float field that holds a time or a duration in seconds, 0 or more."""
    return number(default, 0.0, MAX_TIME_S, help_)


def integer(default: int, minimum: int, maximum: int, help_: str) -> Any:
    """An int field with a range."""
    return _field(default, ParamSpec("integer", help_, minimum, maximum))


def boolean(default: bool, help_: str) -> Any:
    """A bool field."""
    return _field(default, ParamSpec("boolean", help_))


def choice(default: str, choices: tuple[str, ...], help_: str) -> Any:
    """A str field that takes one of ``choices``."""
    return _field(default, ParamSpec("choice", help_, choices=choices))


def string(default: str | None, max_length: int, help_: str, *, fixed: bool = False) -> Any:
    """A str field. ``default`` None: it must be given."""
    spec = ParamSpec("string", help_, max_length=max_length, fixed=fixed)
    return _field(MISSING if default is None else default, spec)


def hex_color(default: str, help_: str) -> Any:
    """A str field "#rrggbb"."""
    return _field(default, ParamSpec("string", help_, max_length=7, is_color=True))


def rgb_of(text: str) -> Color:
    """ "#ff8000" → (255, 128, 0)."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def exact(seconds_: float) -> Fraction:
    """Seconds as they were written: 0.04 is 1/25."""
    return Fraction(seconds_).limit_denominator(1_000_000_000)


def specs_of(params: type) -> dict[str, ParamSpec]:
    """Field name → what it takes. TypeError: no dataclass, or a field without one."""
    return {each.name: each.metadata[_SPEC] for each in dataclasses.fields(params)}


def values_of(struct: Struct) -> dict[str, Any]:
    """A Struct's entries as Python values. Not finite: kept, and refused by ``build``."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def build(params: type, values: Mapping[str, Any], effect: str) -> Any:
    """An object of ``params``. BadParameter: an unknown name, a wrong type, out of range, or one missing."""
    specs = specs_of(params)
    for name in values:
        if name not in specs:
            raise BadParameter(choose_from(f'parameter of effect "{effect}"', name, specs), field=name)
    for each in dataclasses.fields(params):
        if each.default is MISSING and each.name not in values:
            raise BadParameter(
                f'effect "{effect}": {each.name} must be given: {specs[each.name].help}', field=each.name
            )
    return params(**{name: _check(effect, name, specs[name], value) for name, value in values.items()})


def describe(params: type) -> list[ParamInfo]:
    """As ListEffects gives them."""
    infos = []
    for each in dataclasses.fields(params):
        spec: ParamSpec = each.metadata[_SPEC]
        fixed = " Fixed for a stream." if spec.fixed else ""
        info = ParamInfo(
            name=each.name,
            type=spec.type,
            minimum=spec.minimum,
            maximum=spec.maximum,
            choices=spec.choices,
            help=spec.help + fixed,
        )
        if each.default is not MISSING:
            info.default_value.CopyFrom(json_format.ParseDict(each.default, Value()))
        infos.append(info)
    return infos


def _field(default: Any, spec: ParamSpec) -> Any:
    return dataclasses.field(default=default, metadata={_SPEC: spec})


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "list_value":
            return "a list"
        case "struct_value":
            return "a struct"
    return None


def _check(effect: str, name: str, spec: ParamSpec, value: Any) -> Any:
    """The value in its field's type."""

    def wrong(expected: str) -> BadParameter:
        return BadParameter(f'effect "{effect}": {name} is {value!r}; expected {expected}', field=name)

    if spec.type in ("number", "integer"):
        return _check_number(spec, value, wrong)
    if spec.type == "boolean":
        if not isinstance(value, bool):
            raise wrong("true or false")
        return value
    if not isinstance(value, str):
        raise wrong("text; put it in quotes, also inside the shell's own")
    if "\0" in value:
        raise wrong("text without null characters")
    if spec.choices and value not in spec.choices:
        raise wrong(f"one of {', '.join(spec.choices)}")
    if spec.is_color and not _COLOR.fullmatch(value):
        raise wrong('a colour such as "#ff8000"')
    if spec.max_length and len(value) > spec.max_length:
        raise BadParameter(
            f'effect "{effect}": {name} has {len(value)} characters; expected at most {spec.max_length}',
            field=name,
        )
    return value


def _check_number(spec: ParamSpec, value: Any, wrong: Any) -> float | int:
    whole = spec.type == "integer"
    expected = f"{'a whole number' if whole else 'a number'} from {spec.minimum:g} to {spec.maximum:g}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong(expected)
    low, high = spec.minimum, spec.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise wrong(expected)
    if whole and value != int(value):
        raise wrong(expected)
    return int(value) if whole else float(value)
