"""The codecs that a stream can name, and how each encoder is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import av
import numpy as np
from av.codec.context import Flags

from reelwire.choices import choose_from
from reelwire.errors import BadParameter, CodecMissing
from reelwire.media import VideoFormat
from reelwire.v1.config_pb2 import VideoEncoderConfig

DEFAULT_GOP_FRAMES = 250
LIVE_GOP_S = 2
DEFAULT_RATE = Fraction(30)  # for rate control where the input does not say
PROBE_FRAMES = 160  # more than any encoder holds
X_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True, eq=False)
class EncoderKind:
    """One encoder. ``preset_option`` takes one of ``presets``; ``quality_range`` is its own scale.
    ``live_bitrate_options``: in place of ``live_options`` where a bit rate is asked for. ``max_rate``: most
    frames per second that its rate control may be told; pts are exact anyway. ``{threads}`` in an option
    stands for their number."""

    encoder: str
    codec: str
    preset_option: str
    presets: tuple[str, ...]
    preset: str
    live_preset: str
    quality: int
    quality_range: tuple[int, int]
    options: Mapping[str, str]
    live_options: Mapping[str, str]
    quality_option: str = "crf"
    hardware: bool = False
    live_bitrate_options: Mapping[str, str] = field(default_factory=dict)
    max_rate: int = 1000
    max_threads: int = 64


def _numbers(first: int, last: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(first, last + 1))


_NVENC = tuple(f"p{number}" for number in range(1, 8))
KINDS = (
    # veryfast: on two cores the picture must leave time for the models.
    EncoderKind(
        "libx264", "h264", "preset", X_PRESETS, "veryfast", "veryfast", 20, (0, 51),
        {"forced-idr": "1"}, {"tune": "zerolatency"},
    ),
    EncoderKind(
        "libx265", "hevc", "preset", X_PRESETS, "veryfast", "ultrafast", 24, (0, 51),
        {"forced-idr": "1", "x265-params": "log-level=none:pools={threads}:frame-threads=1"},
        {"tune": "zerolatency"},
    ),
    EncoderKind(
        "libvpx-vp9", "vp9", "cpu-used", _numbers(0, 9), "5", "8", 32, (0, 63),
        {"deadline": "good", "row-mt": "1"}, {"deadline": "realtime", "lag-in-frames": "0"},
    ),
    EncoderKind(
        "libsvtav1", "av1", "preset", _numbers(0, 13), "10", "11", 34, (1, 63),
        {"svtav1-params": "lp={threads}"}, {"svtav1-params": "lp={threads}:pred-struct=1"},
        # Without lookahead SVT-AV1 has a constant bit rate only.
        live_bitrate_options={"svtav1-params": "lp={threads}:pred-struct=1:rc=2"}, max_rate=240,
        max_threads=3,  # levels in truth, of which higher ones hold more frames
    ),
    EncoderKind(
        "h264_nvenc", "h264", "preset", _NVENC, "p4", "p2", 22, (0, 51),
        {"forced-idr": "1"}, {"tune": "ull", "delay": "0"}, "cq", hardware=True,
    ),
    EncoderKind(
        "hevc_nvenc", "hevc", "preset", _NVENC, "p4", "p2", 25, (0, 51),
        {"forced-idr": "1"}, {"tune": "ull", "delay": "0"}, "cq", hardware=True,
    ),
    EncoderKind(
        "av1_nvenc", "av1", "preset", _NVENC, "p4", "p2", 30, (0, 51),
        {"forced-idr": "1"}, {"tune": "ull", "delay": "0"}, "cq", hardware=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """An encoder with all its options decided."""

    kind: EncoderKind
    options: tuple[tuple[str, str], ...]
    bitrate_bps: int
    gop_frames: int
    live: bool
    threads: int


def find_kind(name: str) -> EncoderKind:
    """By codec ("h264": the software encoder) or by the encoder's own name. BadParameter: neither."""
    asked = name or "h264"
    for kind in KINDS:
        if asked == kind.encoder or (asked == kind.codec and not kind.hardware):
            return kind
    known = {kind.codec for kind in KINDS} | {kind.encoder for kind in KINDS}
    raise BadParameter(choose_from("video codec", asked, known), field="encoder.video.codec")


def choose(config: VideoEncoderConfig, video: VideoFormat, *, live: bool, threads: int) -> Choice:
    """Checks what the stream asks for. BadParameter names the field, what came and what is expected.

    ``threads`` of the encoder: never of the machine's number of cores, since the bytes depend on it."""
    kind = find_kind(config.codec)
    preset = config.preset or (kind.live_preset if live else kind.preset)
    if preset not in kind.presets:
        raise BadParameter(choose_from(f"preset of {kind.encoder}", preset, kind.presets), field="preset")
    if config.bitrate_bps and not 10_000 <= config.bitrate_bps <= 200_000_000:
        raise BadParameter(
            f"bitrate_bps is {config.bitrate_bps}; expected 10000 to 200000000", field="bitrate_bps"
        )
    if not 0 <= config.gop_frames <= 1000:
        raise BadParameter(f"gop_frames is {config.gop_frames}; expected 1 to 1000", field="gop_frames")
    quality = config.quality if config.HasField("quality") else kind.quality
    low, high = kind.quality_range
    if not low <= quality <= high:
        raise BadParameter(
            f"quality of {kind.encoder} is {quality}; expected {low} to {high}", field="quality"
        )
    options = {**kind.options, kind.preset_option: preset, **(kind.live_options if live else {})}
    if live and config.bitrate_bps:
        options |= kind.live_bitrate_options
    if not config.bitrate_bps:
        options[kind.quality_option] = str(quality)
    rate = video.frame_rate or DEFAULT_RATE
    gop = config.gop_frames or (max(1, round(rate * LIVE_GOP_S)) if live else DEFAULT_GOP_FRAMES)
    threads = min(threads, kind.max_threads)
    told = tuple((name, value.format(threads=threads)) for name, value in options.items())
    return Choice(kind, told, config.bitrate_bps, gop, live, threads)


def open_encoder(choice: Choice, video: VideoFormat, *, headers_apart: bool = False) -> Any:
    """An open encoder for I420 of even size, pts in the video's own time base.

    ``headers_apart``: codec configuration in ``extradata`` and not before each keyframe. CodecMissing: it
    does not open; says why.
    """
    kind = choice.kind
    try:
        context: Any = av.CodecContext.create(kind.encoder, "w")
        context.width, context.height, context.pix_fmt = video.width, video.height, "yuv420p"
        context.time_base = video.time_base
        context.framerate = min(video.frame_rate or DEFAULT_RATE, Fraction(kind.max_rate))
        context.thread_count = choice.threads
        context.gop_size = choice.gop_frames
        context.bit_rate = choice.bitrate_bps
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # limited
        if video.sample_aspect:
            context.sample_aspect_ratio = video.sample_aspect
        if choice.live:
            context.max_b_frames = 0
        context.options = dict(choice.options)
        if headers_apart:
            context.flags |= Flags.global_header
        context.open()
    except (av.FFmpegError, ValueError) as error:
        why = str(error).partition(";")[0]
        raise CodecMissing(
            f"{kind.encoder} does not open for {video.width}x{video.height} here: {why}; another codec "
            "or a larger picture may work",
            field="encoder.video.codec",
        ) from None
    return context


def codec_configuration(choice: Choice, video: VideoFormat) -> bytes:
    """What a container needs of the encoder beside its packets; empty where the packets say it all."""
    context = open_encoder(choice, video, headers_apart=True)
    return bytes(context.extradata or b"")


@lru_cache(maxsize=256)
def measured_lag_frames(choice: Choice) -> int:
    """Frames that go in before the first comes out, measured on a small gray picture."""
    video = VideoFormat(128, 96, Fraction(1, 25), frame_rate=Fraction(25))
    context = open_encoder(choice, video)
    gray = np.full((144, 128), 128, np.uint8)
    for index in range(PROBE_FRAMES):
        frame = av.VideoFrame.from_ndarray(gray, format="yuv420p")
        frame.pts = index
        if context.encode(frame):
            return index
    return PROBE_FRAMES
