"""The options of ``run`` and ``graph`` that make a StreamConfig."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import Message

from reelwire.choices import choose_from
from reelwire.config_file import load_config
from reelwire.errors import BadParameter
from reelwire.hop.checks import STAGES, check_config
from reelwire.pipeline import parse_effect
from reelwire.v1.config_pb2 import Fit, Policy, StreamConfig

MAX_BITRATE_BPS = 200_000_000
FITS = {"scale": Fit.FIT_SCALE, "pad": Fit.FIT_PAD, "crop": Fit.FIT_CROP}


@dataclass
class PipelineOptions:
    """What the command line said; None or empty: not said."""

    config: Path | None = None
    model: str | None = None
    strength: float | None = None
    backend: str = ""
    precision: str = ""
    effects: list[str] = field(default_factory=list)
    size: str = ""
    fit: str = ""
    rate: str = ""
    mute: bool = False
    codec: str = ""
    preset: str = ""
    quality: int | None = None
    bitrate: str = ""
    gop: int | None = None
    sound_codec: str = ""
    container: str = ""
    live: bool = False
    chunk_frames: int | None = None
    credit_chunks: int | None = None
    route: str = ""


def build_config(options: PipelineOptions) -> StreamConfig:
    """The file of --config, changed by the options that were given: an option wins, effects are added."""
    config = load_config(options.config) if options.config else StreamConfig()
    if options.route:
        del config.route[:]
        config.route.extend(part.strip() for part in options.route.split(","))
    if not config.route:
        config.route.extend(STAGES)
    if options.live:
        config.policy = Policy.POLICY_LIVE
    _number(config, "chunk_frames", options.chunk_frames, 64)
    _number(config, "credit_chunks", options.credit_chunks, 64)
    if options.model is not None:
        config.generator.model = options.model
    if options.strength is not None:
        config.generator.strength = options.strength
    config.generator.backend = options.backend or config.generator.backend
    config.generator.precision = options.precision or config.generator.precision
    config.editor.effects.extend(parse_effect(text) for text in options.effects)
    _preprocess(config, options)
    _encoder(config, options)
    check_config(config, config.route[0])
    return config


def of(words: Iterable[str]) -> Callable[[str], list[str]]:
    """Completes an option from these words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def parse_bitrate(text: str) -> int:
    """ "2M", "500k" or "800000" → bits per second. BadParameter: none of these."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([kKmM]?)", text)
    if not match:
        raise BadParameter(
            f'--bitrate "{text}"; expected bits per second such as 2M or 500k', field="bitrate"
        )
    return round(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()])


def _number(message: Message, name: str, value: int | None, most: int) -> None:
    """An option that was given is at least 1: in the message 0 means "not said"."""
    if value is None:
        return
    if not 1 <= value <= most:
        raise BadParameter(f"{name} is {value}; expected 1 to {most}", field=name)
    setattr(message, name, value)


def _preprocess(config: StreamConfig, options: PipelineOptions) -> None:
    given = config.preprocess
    if options.size:
        width, x, height = options.size.lower().partition("x")
        numbers = [part for part in (width, height) if part]
        if not x or not numbers or not all(part.isdigit() for part in numbers):
            raise BadParameter(
                f'--size "{options.size}"; expected WIDTHxHEIGHT, 640x or x360', field="preprocess"
            )
        given.width, given.height = int(width or 0), int(height or 0)
    if options.fit:
        if options.fit not in FITS:
            raise BadParameter(choose_from("fit", options.fit, FITS), field="fit")
        given.fit = FITS[options.fit]
    given.rate = options.rate or given.rate
    given.mute = options.mute or given.mute


def _encoder(config: StreamConfig, options: PipelineOptions) -> None:
    video = config.encoder.video
    video.codec = options.codec or video.codec
    video.preset = options.preset or video.preset
    if options.bitrate:
        _number(video, "bitrate_bps", parse_bitrate(options.bitrate), MAX_BITRATE_BPS)
    _number(video, "gop_frames", options.gop, 1000)
    if options.quality is not None:
        video.quality = options.quality
    config.encoder.sound.codec = options.sound_codec or config.encoder.sound.codec
    config.encoder.container = options.container or config.encoder.container
