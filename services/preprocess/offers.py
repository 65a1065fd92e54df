"""What an input will give, as offers for the next stage."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from reelwire.errors import TooLarge
from reelwire.formats import MAX_CHANNELS, check_limits
from reelwire.media import Offer, PacketFormat, PayloadKind, PixelLayout, VideoFormat
from reelwire.settings import Settings
from services.preprocess.intake import Intake
from services.preprocess.opened import MICROSECONDS
from services.preprocess.reader import PICTURE, SOUND
from services.preprocess.sound_picture import DEFAULT_RATE

EITHER_LAYOUT = (PixelLayout.I420, PixelLayout.RGB24)
MAX_NOMINAL_RATE = 1000


def offers_of(intake: Intake, settings: Settings) -> tuple[Offer, ...]:
    """All tracks, the picture first. TooLarge: what comes out is over a limit."""
    sound = _sound_offer(intake)
    return (_picture_offer(intake, settings), *(() if sound is None else (sound,)))


def layouts_for(video: VideoFormat, settings: Settings) -> tuple[PixelLayout, ...]:
    """Layouts that frames of this size can have, the preferred first. TooLarge: none fits a message."""
    even = not (video.width & 1 or video.height & 1)
    possible = EITHER_LAYOUT if even else (PixelLayout.RGB24,)
    fitting: list[PixelLayout] = []
    for layout in possible:
        offer = Offer(PICTURE, PayloadKind.FRAMES, video, possible).settled(layout)
        try:
            check_limits(offer, settings.max_frame_pixels, settings.max_message_bytes)
        except TooLarge:
            if not fitting:
                raise
            break
        fitting.append(layout)
    return tuple(fitting)


def nominal_rate(stream: Any) -> Fraction:
    """Frames per second as far as the container tells, 0 where it does not or cannot mean it."""
    rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= MAX_NOMINAL_RATE else Fraction(0)


def _picture_offer(intake: Intake, settings: Settings) -> Offer:
    wishes, stream, kind = intake.wishes, intake.reader.picture, intake.picture_kind
    width, height = intake.size
    if stream is None or kind is None:
        rate = wishes.rate or DEFAULT_RATE
        video = VideoFormat(width, height, 1 / rate, frame_rate=rate, sample_aspect=Fraction(1))
    else:
        rate = wishes.rate or nominal_rate(stream)
        time_base = 1 / wishes.rate if wishes.rate else Fraction(stream.time_base)
        aspect = Fraction(stream.sample_aspect_ratio or 0)
        aspect = 1 / aspect if aspect and kind.turn.swaps else aspect
        video = VideoFormat(width, height, time_base, frame_rate=rate, sample_aspect=aspect)
    layouts = layouts_for(video, settings)
    offer = Offer(PICTURE, PayloadKind.FRAMES, video, layouts)
    return _with_progress(offer, intake, _declared_frames(intake) or round(rate * intake.expected_s))


def _sound_offer(intake: Intake) -> Offer | None:
    stream, sound, wishes = intake.reader.sound, intake.sound_format, intake.wishes
    if stream is None or sound is None or wishes.mute:
        return None
    if sound.channel_count > MAX_CHANNELS:
        raise TooLarge(
            f"the sound has {sound.channel_count} channels, at most {MAX_CHANNELS}; mute it", field="input"
        )
    if not wishes.passthrough:
        return _with_progress(Offer(SOUND, PayloadKind.SOUND, sound), intake, 0)
    context = stream.codec_context
    format_ = PacketFormat(
        codec=context.codec.canonical_name,
        time_base=Fraction(stream.time_base),
        extradata=bytes(context.extradata or b""),
        sound=sound,
    )
    return _with_progress(Offer(SOUND, PayloadKind.PACKETS, format_), intake, 0)


def _declared_frames(intake: Intake) -> int:
    """As the container says, where all of them are wanted as they are; 0 where it does not."""
    span, stream = intake.wishes.span, intake.reader.picture
    if stream is None or span.start or span.end is not None or intake.wishes.rate:
        return 0
    return max(0, int(stream.frames or 0))


def _with_progress(offer: Offer, intake: Intake, frames: int) -> Offer:
    duration_us = round(intake.expected_s * MICROSECONDS)
    return Offer(offer.track, offer.kind, offer.format, offer.layouts, frames, duration_us)
