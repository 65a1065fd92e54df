"""Formats and offers ↔ their protobuf messages, checked at the edge."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

from reelwire.errors import BadPayload, InvalidArgument, TooLarge
from reelwire.media import (
    ContainerFormat,
    Offer,
    PacketFormat,
    PayloadKind,
    PixelLayout,
    SoundFormat,
    TextFormat,
    TrackFormat,
    VideoFormat,
)
from reelwire.v1 import media_pb2 as pb

MAX_TRACKS = 16
MAX_SIDE_PIXELS = 16384
MAX_CHANNELS = 16
MAX_TERM = 2**31 - 1  # of a fraction, as in FFmpeg's AVRational


def rational(value: Fraction) -> pb.Rational:
    """Fraction → message."""
    return pb.Rational(num=value.numerator, den=value.denominator)


def fraction(value: pb.Rational) -> Fraction:
    """Message → Fraction; 0 where the message is empty."""
    if value.num < 0 or value.den < 0 or (value.num and not value.den):
        raise InvalidArgument(f"{value.num}/{value.den} is not a fraction of 0 or more", field="rational")
    exact = Fraction(value.num, value.den) if value.den else Fraction(0)
    if max(exact.numerator, exact.denominator) > MAX_TERM:
        raise InvalidArgument(
            f"{value.num}/{value.den} is finer than media libraries count; expected at most {MAX_TERM} above "
            "and below the line",
            field="rational",
        )
    return exact


def _time_base(value: pb.Rational, field: str) -> Fraction:
    time_base = fraction(value)
    if not 0 < time_base <= 3600:
        raise InvalidArgument(
            f"time base {time_base} of {field}: expected above 0 seconds", field="time_base"
        )
    return time_base


def video_to_proto(video: VideoFormat) -> pb.VideoFormat:
    """VideoFormat → message."""
    return pb.VideoFormat(
        width=video.width,
        height=video.height,
        layout=cast(pb.PixelLayout, video.layout),
        time_base=rational(video.time_base),
        frame_rate=rational(video.frame_rate),
        sample_aspect=rational(video.sample_aspect),
    )


def video_from_proto(message: pb.VideoFormat) -> VideoFormat:
    """Message → VideoFormat. BadPayload: a size that cannot be."""
    if not (1 <= message.width <= MAX_SIDE_PIXELS and 1 <= message.height <= MAX_SIDE_PIXELS):
        raise BadPayload(
            f"frame size {message.width}x{message.height}: expected 1 to {MAX_SIDE_PIXELS} each way",
            field="video",
        )
    layout = PixelLayout(message.layout) if message.layout in (1, 2) else PixelLayout.RGB24
    if layout is PixelLayout.I420 and (message.width & 1 or message.height & 1):
        raise BadPayload(f"I420 of {message.width}x{message.height}: expected even sizes", field="video")
    return VideoFormat(
        width=message.width,
        height=message.height,
        time_base=_time_base(message.time_base, "video"),
        layout=layout,
        frame_rate=fraction(message.frame_rate),
        sample_aspect=fraction(message.sample_aspect),
    )


def _sound_to_proto(sound: SoundFormat) -> pb.SoundFormat:
    return pb.SoundFormat(
        sample_rate=sound.sample_rate,
        layout=sound.layout,
        channel_count=sound.channel_count,
        time_base=rational(sound.time_base),
    )


def _sound_from_proto(message: pb.SoundFormat) -> SoundFormat:
    if not (1 <= message.sample_rate <= 768_000 and 1 <= message.channel_count <= MAX_CHANNELS):
        raise BadPayload(
            f"sound of {message.sample_rate} Hz and {message.channel_count} channels: "
            f"expected 1 to 768000 Hz and 1 to {MAX_CHANNELS} channels",
            field="sound",
        )
    return SoundFormat(
        message.sample_rate, message.layout, message.channel_count, _time_base(message.time_base, "sound")
    )


def _packet_to_proto(packet: PacketFormat) -> pb.PacketFormat:
    return pb.PacketFormat(
        codec=packet.codec,
        extradata=packet.extradata,
        time_base=rational(packet.time_base),
        video=video_to_proto(packet.video) if packet.video else None,
        sound=_sound_to_proto(packet.sound) if packet.sound else None,
        initial_padding_samples=packet.initial_padding_samples,
    )


def _packet_from_proto(message: pb.PacketFormat) -> PacketFormat:
    return PacketFormat(
        codec=message.codec,
        time_base=_time_base(message.time_base, "packets"),
        extradata=message.extradata,
        video=video_from_proto(message.video) if message.HasField("video") else None,
        sound=_sound_from_proto(message.sound) if message.HasField("sound") else None,
        initial_padding_samples=message.initial_padding_samples,
    )


def offer_to_proto(offer: Offer) -> pb.Offer:
    """Offer → message."""
    message = pb.Offer(
        track=offer.track,
        kind=cast(pb.PayloadKind, offer.kind),
        layouts=[cast(pb.PixelLayout, layout) for layout in offer.layouts],
        expected_frames=offer.expected_frames,
        expected_duration_us=offer.expected_duration_us,
    )
    match offer.format:
        case VideoFormat():
            message.video.CopyFrom(video_to_proto(offer.format))
        case SoundFormat():
            message.sound.CopyFrom(_sound_to_proto(offer.format))
        case PacketFormat():
            message.packet.CopyFrom(_packet_to_proto(offer.format))
        case ContainerFormat():
            message.container = offer.format.name
        case TextFormat():
            pass
    return message


def _format_from_proto(message: pb.Offer, kind: PayloadKind) -> TrackFormat:
    match kind:
        case PayloadKind.FRAMES if message.WhichOneof("format") == "video":
            return video_from_proto(message.video)
        case PayloadKind.SOUND if message.WhichOneof("format") == "sound":
            return _sound_from_proto(message.sound)
        case PayloadKind.PACKETS if message.WhichOneof("format") == "packet":
            return _packet_from_proto(message.packet)
        case PayloadKind.CONTAINER_BYTES:
            return ContainerFormat(message.container)
        case PayloadKind.TEXT | PayloadKind.TENSOR | PayloadKind.SIDE_DATA:
            return TextFormat()
    raise InvalidArgument(f"the offer of track {message.track} has no format for {kind.name}", field="offers")


def offer_from_proto(message: pb.Offer) -> Offer:
    """Message → Offer. InvalidArgument: a track, kind or format that cannot be."""
    if not 0 <= message.track < MAX_TRACKS:
        raise InvalidArgument(f"track {message.track}: expected 0 to {MAX_TRACKS - 1}", field="offers")
    try:
        kind = PayloadKind(message.kind)
    except ValueError:
        raise InvalidArgument(f"payload kind {message.kind} of track {message.track} is unknown") from None
    format_ = _format_from_proto(message, kind)
    layouts = tuple(PixelLayout(layout) for layout in message.layouts if layout in (1, 2))
    if isinstance(format_, VideoFormat) and not layouts:
        layouts = (format_.layout,)
    return Offer(message.track, kind, format_, layouts, message.expected_frames, message.expected_duration_us)


def check_limits(offer: Offer, max_frame_pixels: int, max_message_bytes: int) -> None:
    """TooLarge where one frame of the offer is over what this service takes; names the setting."""
    if not isinstance(offer.format, VideoFormat) or offer.kind is not PayloadKind.FRAMES:
        return
    video = offer.format
    pixels = video.width * video.height
    if pixels > max_frame_pixels:
        raise TooLarge(
            f"frame size {video.width}x{video.height} is {pixels} pixels, at most {max_frame_pixels}; "
            "scale it down first, or raise REELWIRE_MAX_FRAME_PIXELS",
            field="video",
        )
    if video.frame_bytes > max_message_bytes:
        raise TooLarge(
            f"one frame of {video.width}x{video.height} is {video.frame_bytes} bytes, a message takes "
            f"at most {max_message_bytes}; scale it down first, or raise REELWIRE_MAX_MESSAGE_BYTES",
            field="video",
        )
