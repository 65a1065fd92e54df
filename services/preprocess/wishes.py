"""A stream's PreprocessConfig, checked and read into exact values."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from reelwire.errors import BadParameter
from reelwire.v1.config_pb2 import PreprocessConfig, SoundPicture
from services.preprocess.geometry import Shape, read_shape
from services.preprocess.picture_graph import Rgb, read_background
from services.preprocess.rate import read_rate
from services.preprocess.span import Span, read_span


@dataclass(frozen=True)
class Wishes:
    """``rate``: frames per second, 0: the input's own pts. ``waves``: the picture of an input that has only
    sound is its wave form, else black."""

    shape: Shape
    rate: Fraction
    background: Rgb
    span: Span
    mute: bool
    passthrough: bool
    waves: bool


def read_wishes(config: PreprocessConfig) -> Wishes:
    """BadParameter: something in it cannot be."""
    if config.sound_picture not in SoundPicture.values():
        raise BadParameter(
            f"preprocess.sound_picture {config.sound_picture} is unknown; expected WAVES or BLACK",
            field="sound_picture",
        )
    return Wishes(
        shape=read_shape(config),
        rate=read_rate(config.rate),
        background=read_background(config.background),
        span=read_span(config),
        mute=config.mute,
        passthrough=config.sound_passthrough,
        waves=config.sound_picture != SoundPicture.SOUND_PICTURE_BLACK,
    )
