"""A pipeline in words: effects as the command line names them, and the whole as a flowchart."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from reelwire.errors import BadParameter
from reelwire.v1.config_pb2 import EffectConfig, StreamConfig

QUOTES = "\"'"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def parse_effect(text: str) -> EffectConfig:
    """``grade:contrast=1.2,brightness=0.1`` → EffectConfig. A comma inside quotes or brackets
    belongs to the value. BadParameter: it cannot be read."""
    name, _, rest = text.partition(":")
    effect = EffectConfig(name=name.strip())
    if not effect.name:
        raise BadParameter(
            f'effect "{text}" has no name; expected NAME or NAME:PARAM=VALUE,…', field="effect"
        )
    for part in _split(rest, text):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals:
            raise BadParameter(
                f'effect "{text}": "{part}" is not PARAM=VALUE; put a value that has commas in quotes',
                field="effect",
            )
        if key in effect.params:
            raise BadParameter(f'effect "{text}": "{key}" is given twice', field="effect")
        effect.params.update({key: _value(value)})
    return effect


def _split(rest: str, whole: str) -> Sequence[str]:
    """At commas that are not inside quotes or brackets; a quote inside a word is an apostrophe."""
    parts, depth, quote, current = [], 0, "", ""
    for letter in rest:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in QUOTES and current.rstrip()[-1:] in ("=", ",", "[", "{", ":"):
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not quote and depth <= 0:
            parts.append(current)
            current = ""
        else:
            current += letter
    if quote or depth > 0:
        raise BadParameter(f'effect "{whole}": a quote or bracket is not closed', field="effect")
    return [part for part in (*parts, current) if part.strip()]


def _value(text: str) -> Any:
    """A number, true, false, a quoted text or a [list], as in JSON; anything else is text as it stands. Not
    YAML, which reads 12:30 as 750 and no as false."""
    text = text.strip()
    if NUMBER.fullmatch(text):
        return float(text)
    try:
        value = json.loads(text)
    except ValueError:
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in QUOTES
        return text[1:-1] if quoted else text
    return value if isinstance(value, bool | str | list) else text


def as_mermaid(config: StreamConfig) -> str:
    """The pipeline as a Mermaid flowchart."""
    names = {
        "generator": config.generator.model or "no model",
        "editor": " → ".join(effect.name for effect in config.editor.effects) or "no effects",
        "encoder": config.encoder.video.codec or "h264",
        "preprocess": _size(config),
    }
    lines = ["flowchart LR", '  input(["input"])']
    before = "input"
    for stage in config.route:
        lines.append(f'  {stage}["{stage}<br/>{_escaped(names[stage])}"]')
        lines.append(f"  {before} --> {stage}")
        before = stage
    lines += ['  output(["output"])', f"  {before} --> output"]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace('"', "#quot;")


def _size(config: StreamConfig) -> str:
    given = config.preprocess
    size = f"{given.width or 'auto'}x{given.height or 'auto'}" if given.width or given.height else "decode"
    return f"{size} at {given.rate} fps" if given.rate else size
