"""The options of ``run`` and ``graph`` that make a StreamConfig."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reelwire.errors import BadParameter, choose_from
from reelwire.hop.checks import STAGES, check_config
from reelwire.pipeline import load_pipeline, parse_effect
from reelwire.v1.config_pb2 import Fit, Policy, StreamConfig

FITS = {"scale": Fit.FIT_SCALE, "pad": Fit.FIT_PAD, "crop": Fit.FIT_CROP}


@dataclass
class PipelineOptions:
    """What the command line said; None or empty: not said."""

    config: Path | None = None
    model: str | None = None
    strength: float | None = None
    effects: list[str] = field(default_factory=list)
    size: str = ""
    fit: str = ""
    rate: str = ""
    mute: bool = False
    codec: str = ""
    preset: str = ""
    quality: int | None = None
    bitrate: int = 0
    gop: int = 0
    sound_codec: str = ""
    container: str = ""
    live: bool = False
    chunk_frames: int = 0
    credit_chunks: int = 0
    route: str = ""


def build_config(options: PipelineOptions) -> StreamConfig:
    """The file of --config, changed by the options that were given."""
    config = load_pipeline(options.config) if options.config else StreamConfig()
    if options.route:
        del config.route[:]
        config.route.extend(part.strip() for part in options.route.split(","))
    if not config.route:
        config.route.extend(STAGES)
    if options.live:
        config.policy = Policy.POLICY_LIVE
    config.chunk_frames = options.chunk_frames or config.chunk_frames
    config.credit_chunks = options.credit_chunks or config.credit_chunks
    if options.model is not None:
        config.generator.model = options.model
    if options.strength is not None:
        config.generator.strength = options.strength
    config.editor.effects.extend(parse_effect(text) for text in options.effects)
    _preprocess(config, options)
    _encoder(config, options)
    check_config(config, config.route[0])
    return config


def _preprocess(config: StreamConfig, options: PipelineOptions) -> None:
    given = config.preprocess
    if options.size:
        width, x, height = options.size.lower().partition("x")
        if not x or not (width or "0").isdigit() or not (height or "0").isdigit():
            raise BadParameter(f'--size "{options.size}"; expected WIDTHxHEIGHT, "640x" or "x360"')
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
    video.bitrate_bps = options.bitrate or video.bitrate_bps
    video.gop_frames = options.gop or video.gop_frames
    if options.quality is not None:
        video.quality = options.quality
    config.encoder.sound.codec = options.sound_codec or config.encoder.sound.codec
    config.encoder.container = options.container or config.encoder.container
