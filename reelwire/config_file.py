"""StreamConfig as YAML: the proto's own names, every key known, and where it stands when it is not.

Beside the proto's JSON form it takes the plain words of an enum (``policy: live``, ``fit: crop``) and a bare
number where a string is expected (``rate: 30``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from reelwire.choices import choose_from
from reelwire.errors import BadParameter, InputNotFound
from reelwire.v1.config_pb2 import StreamConfig

FREE_FORM = "google.protobuf.Struct"
Lines = Mapping[str, int]
Descriptor: TypeAlias = Any  # protobuf's classes differ between its implementations


def parse_config(text: str, name: str = "pipeline") -> StreamConfig:
    """YAML → StreamConfig. BadParameter: no YAML, an unknown key, a wrong type; names the key and where."""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadParameter(f"{name} is not YAML: {' '.join(str(error).split())}", field="config") from None
    if data is None:
        return StreamConfig()
    lines: dict[str, int] = {}
    _find_lines(node, "", lines)
    reader = _Reader(name, lines)
    config = StreamConfig()
    plain = reader.message(data, StreamConfig.DESCRIPTOR, "")
    try:
        json_format.ParseDict(plain, config)
    except json_format.ParseError as error:
        raise BadParameter(f"{name}: {' '.join(str(error).split())}", field="config") from None
    return config


def load_config(path: Path) -> StreamConfig:
    """The same from a file. InputNotFound: it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputNotFound(f"cannot read config {path}: {why}", field="config") from None
    return parse_config(text, str(path))


def _find_lines(node: yaml.Node | None, path: str, lines: dict[str, int]) -> None:
    """Which line each key stands on."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else str(key.value)
            lines[inner] = key.start_mark.line + 1
            _find_lines(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[f"{path}[{index}]"] = item.start_mark.line + 1
            _find_lines(item, f"{path}[{index}]", lines)


class _Reader:
    """Turns YAML's plain data into what ``json_format`` takes; raises BadParameter with the place."""

    def __init__(self, name: str, lines: Lines) -> None:
        self._name = name
        self._lines = lines

    def message(self, data: Any, descriptor: Descriptor, path: str) -> Any:
        if not isinstance(data, dict):
            keys = ", ".join(field.name for field in descriptor.fields)
            raise self._error(path, f"got {_kind(data)}; expected keys: {keys}")
        fields = {field.name: field for field in descriptor.fields}
        plain = {}
        for key, value in data.items():
            inner = f"{path}.{key}" if path else str(key)
            if key not in fields:
                raise self._error(inner, choose_from("key", str(key), fields))
            plain[key] = self._field(value, fields[key], inner)
        return plain

    def _field(self, value: Any, field: Any, path: str) -> Any:
        if not field.is_repeated:
            return self._single(value, field, path)
        if not isinstance(value, list):
            raise self._error(path, f"got {_kind(value)}; expected a list")
        return [self._single(item, field, f"{path}[{index}]") for index, item in enumerate(value)]

    def _single(self, value: Any, field: Any, path: str) -> Any:
        if field.message_type is not None:
            if field.message_type.full_name == FREE_FORM:
                return value
            return self.message(value, field.message_type, path)
        if field.enum_type is not None:
            return self._word(value, field, path)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise self._error(path, f"got {_kind(value)}; expected text")
            return str(value)
        expected = _expected(field)
        right = isinstance(value, bool) == (expected == "true or false") and isinstance(value, int | float)
        if not right or (expected == "a whole number" and isinstance(value, float)):
            raise self._error(path, f"got {_kind(value)}; expected {expected}")
        return value

    def _word(self, value: Any, field: Any, path: str) -> Any:
        """ "live" → "POLICY_LIVE"."""
        names = [each.name for each in field.enum_type.values]
        prefix = names[0].removesuffix("UNSPECIFIED")
        words = {name.removeprefix(prefix).lower(): name for name in names[1:]}
        if value in names:
            return value
        if str(value).lower() not in words:
            raise self._error(path, choose_from(field.name, str(value), words))
        return words[str(value).lower()]

    def _error(self, path: str, text: str) -> BadParameter:
        line = f", line {self._lines[path]}" if path in self._lines else ""
        where = f"{path}: " if path else ""
        return BadParameter(f"{self._name}{line}: {where}{text}", field=path or "config")


def _kind(value: Any) -> str:
    """What was got, in a reader's words."""
    if value is None:
        return "nothing"
    names = {dict: "keys", list: "a list", bool: "true or false", str: "text", int: "a number"}
    return f"{names.get(type(value), 'a number')} ({value!r})"


def _expected(field: Any) -> str:
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true or false"
    fraction = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
    return "a number" if field.cpp_type in fraction else "a whole number"
