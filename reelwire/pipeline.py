"""A pipeline in words: effects as the command line names them, and the whole as a flowchart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from reelwire.errors import BadParameter
from reelwire.v1.config_pb2 import EffectConfig, StreamConfig


def parse_effect(text: str) -> EffectConfig:
    """``grade:contrast=1.2,brightness=0.1`` → EffectConfig. A value is read as YAML reads it; a comma inside
    quotes or brackets belongs to the value."""
    name, _, rest = text.partition(":")
    effect = EffectConfig(name=name.strip())
    if not effect.name:
        raise BadParameter(
            f'effect "{text}" has no name; expected NAME or NAME:PARAM=VALUE,…', field="effect"
        )
    for part in _split(rest):
        key, equals, value = part.partition("=")
        if not equals:
            raise BadParameter(
                f'effect "{text}": "{part}" is not PARAM=VALUE; put a value that has commas in quotes',
                field="effect",
            )
        effect.params.update({key.strip(): _value(value)})
    return effect


def _split(text: str) -> Sequence[str]:
    parts, depth, quote, current = [], 0, "", ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        if letter == "," and not quote and depth <= 0:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in (*parts, current) if part.strip()]


def _value(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, bool | int | float | list) else str(text).strip("\"'")


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
        lines.append(f'  {stage}["{stage}<br/>{names[stage]}"]')
        lines.append(f"  {before} --> {stage}")
        before = stage
    lines += ['  output(["output"])', f"  {before} --> output"]
    return "\n".join(lines)


def _size(config: StreamConfig) -> str:
    given = config.preprocess
    size = f"{given.width or 'auto'}x{given.height or 'auto'}" if given.width or given.height else "decode"
    return f"{size} at {given.rate} fps" if given.rate else size
