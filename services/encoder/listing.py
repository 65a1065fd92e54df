"""ListFormats: what can be asked for, and why some of it cannot be used here."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import av

from reelwire.errors import ReelwireError
from reelwire.media import VideoFormat
from reelwire.mux import CONTAINERS, supported_codecs
from reelwire.v1.config_pb2 import VideoEncoderConfig
from reelwire.v1.pipeline_pb2 import CodecInfo, ContainerInfo, ListFormatsResponse
from services.encoder.codecs import KINDS, EncoderKind, choose, measured_lag_frames
from services.encoder.sound import ENCODERS

PROBE = VideoFormat(128, 96, Fraction(1, 25), frame_rate=Fraction(25))
DEFAULTS = ("libx264", "aac")


@cache
def list_formats(threads: int) -> ListFormatsResponse:
    """Every encoder, really opened once with so many threads, and every container."""
    codecs = [_picture(kind, threads) for kind in KINDS] + [_sound(codec) for codec in ENCODERS]
    named = {codec.codec for codec in codecs}
    containers = [
        ContainerInfo(
            container=kind.name,
            extensions=kind.endings,
            streamable=kind.stream_options is not None,
            codecs=sorted(named & supported_codecs(kind)),
        )
        for kind in CONTAINERS.values()
    ]
    return ListFormatsResponse(codecs=codecs, containers=containers)


def _picture(kind: EncoderKind, threads: int) -> CodecInfo:
    info = CodecInfo(
        codec=kind.codec,
        encoder=kind.encoder,
        type="video",
        hardware=kind.hardware,
        is_default=kind.encoder in DEFAULTS,
    )
    try:
        choice = choose(VideoEncoderConfig(codec=kind.encoder), PROBE, live=False, threads=threads)
        info.lag_frames = measured_lag_frames(choice)
        info.usable = True
    except ReelwireError as error:
        info.problem = error.message
    return info


def _sound(codec: str) -> CodecInfo:
    encoder = ENCODERS[codec]
    usable = encoder in av.codecs_available
    return CodecInfo(
        codec=codec,
        encoder=encoder,
        type="audio",
        usable=usable,
        problem="" if usable else f"{encoder} is not in this build of FFmpeg",
        is_default=encoder in DEFAULTS,
    )
