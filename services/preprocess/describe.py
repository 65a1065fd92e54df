"""An input → ProbeResponse: its streams, what preprocess will do about them, and what it would offer."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

from reelwire.formats import offer_to_proto, rational
from reelwire.settings import Settings
from reelwire.v1.config_pb2 import PreprocessConfig
from reelwire.v1.pipeline_pb2 import ProbedStream, ProbeResponse
from services.preprocess.colour import HDR_TRANSFERS, has_alpha
from services.preprocess.intake import Intake
from services.preprocess.offers import offers_of
from services.preprocess.opened import OpenInput, check_input
from services.preprocess.remarks import remarks_of
from services.preprocess.wishes import read_wishes

TYPES = frozenset({"video", "audio", "subtitle", "data"})


def describe(opened: OpenInput, settings: Settings) -> ProbeResponse:
    """Raises what a stream would raise at its start: InputDamaged, TooLarge."""
    check_input(opened, settings)
    intake = Intake(opened, read_wishes(PreprocessConfig()), settings)
    answer = ProbeResponse(
        container=opened.container.format.name,
        duration_us=opened.duration_us,
        remarks=remarks_of(intake),
        offers=[offer_to_proto(offer) for offer in offers_of(intake, settings)],
    )
    for stream in opened.container.streams:
        probed = answer.streams.add(
            type=stream.type if stream.type in TYPES else "data", codec=_codec_name(stream)
        )
        if stream.time_base:
            probed.time_base.CopyFrom(rational(Fraction(stream.time_base)))
        if stream.type == "video":
            _describe_picture(probed, stream)
        elif stream.type == "audio":
            _describe_sound(probed, stream)
    _describe_decoded(answer, intake)
    return answer


def describe_text(prompt: str) -> ProbeResponse:
    """A prompt holds nothing but itself."""
    return ProbeResponse(container="text", remarks=[f"prompt of {len(prompt)} characters"])


def _describe_picture(probed: ProbedStream, stream: Any) -> None:
    context = stream.codec_context
    if context is None:
        return
    probed.width, probed.height = context.width, context.height
    probed.format = context.pix_fmt or ""
    rate = stream.average_rate or stream.guessed_rate
    probed.average_rate.CopyFrom(rational(Fraction(rate or 0)))
    probed.frame_count = max(0, int(stream.frames or 0))
    probed.bitrate_bps = max(0, int(context.bit_rate or 0))
    probed.hdr = int(context.color_trc or 0) in HDR_TRANSFERS
    if context.pix_fmt:
        _describe_format(probed, av.VideoFormat(context.pix_fmt))


def _describe_format(probed: ProbedStream, format_: Any) -> None:
    probed.format = format_.name
    probed.bit_depth = max((component.bits for component in format_.components), default=0)
    probed.alpha = has_alpha(format_)


def _describe_sound(probed: ProbedStream, stream: Any) -> None:
    context = stream.codec_context
    if context is None:
        return
    probed.format = context.format.name if context.format else ""
    probed.sample_rate = int(context.sample_rate or 0)
    probed.channel_count = context.layout.nb_channels
    probed.channel_layout = context.layout.name
    probed.bitrate_bps = max(0, int(context.bit_rate or 0))


def _describe_decoded(answer: ProbeResponse, intake: Intake) -> None:
    """What only the first picture tells."""
    kind, stream = intake.picture_kind, intake.reader.picture
    if kind is None or stream is None:
        return
    probed = answer.streams[stream.index]
    probed.width, probed.height = kind.width, kind.height
    probed.rotation_degrees = kind.turn.degrees
    probed.hdr = bool(kind.colour.hdr)
    probed.interlaced = intake.interlaced
    _describe_format(probed, av.VideoFormat(kind.format))


def _codec_name(stream: Any) -> str:
    context = stream.codec_context
    if context is None:
        return "unknown"
    return str(getattr(context.codec, "canonical_name", "") or context.name)
