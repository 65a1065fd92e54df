"""StreamConfig as YAML and from the command line's options: the same words, the same checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format

from reelwire.errors import BadParameter, InputNotFound
from reelwire.hop.checks import STAGES, check_config
from reelwire.v1.config_pb2 import EffectConfig, StreamConfig


def parse_pipeline(text: str, name: str = "pipeline") -> StreamConfig:
    """YAML → StreamConfig. BadParameter: no YAML, an unknown key, a wrong type; names where."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadParameter(f"{name} is not YAML: {' '.join(str(error).split())}", field="config") from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise BadParameter(
            f"{name} holds a {type(data).__name__}; expected keys of StreamConfig", field="config"
        )
    config = StreamConfig()
    try:
        json_format.ParseDict(data, config)
    except json_format.ParseError as error:
        raise BadParameter(f"{name}: {' '.join(str(error).split())}", field="config") from None
    if not config.route:
        config.route.extend(STAGES)
    check_config(config, config.route[0])
    return config


def load_pipeline(path: Path) -> StreamConfig:
    """The same from a file. InputNotFound: it is not there."""
    try:
        text = path.read_text()
    except OSError as error:
        raise InputNotFound(f"config {path}: {error.strerror}", field="config") from None
    return parse_pipeline(text, str(path))


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
            raise BadParameter(f'effect "{text}": "{part}" is not PARAM=VALUE', field="effect")
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
