"""Messages as JSON for programs: every field is there, whole numbers are numbers."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from reelwire.cli.console import out

FREE_FORM = ("google.protobuf.Struct", "google.protobuf.Value")


def as_plain(message: Message) -> Any:
    """Names as in the protos. Unlike protobuf's own JSON a 64-bit number is no string and an enum's zero, a
    false or an empty text is not left out."""
    if message.DESCRIPTOR.full_name in FREE_FORM:
        return json_format.MessageToDict(message)
    plain = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            plain[field.name] = [_single(field, each) for each in value]
        elif not field.has_presence or message.HasField(field.name):
            plain[field.name] = _single(field, value)
    return plain


def _single(field: Any, value: Any) -> Any:  # protobuf's classes differ between its implementations
    if field.message_type is not None:
        return as_plain(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if isinstance(value, bytes):
        return value.hex()
    return value


def print_json(message: Message) -> None:
    """On standard output."""
    out.print(json.dumps(as_plain(message), indent=2, ensure_ascii=False), markup=False)
