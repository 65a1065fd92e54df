"""An opened input, looked into as far as its first frames: what it will give, from where its time counts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from reelwire.errors import InputDamaged, TooLarge
from reelwire.formats import check_limits
from reelwire.media import (
    Offer,
    PacketFormat,
    PayloadKind,
    PixelLayout,
    SoundFormat,
    VideoFormat,
)
from reelwire.settings import Settings
from reelwire.v1.config_pb2 import PreprocessConfig
from services.preprocess.geometry import Geometry, Shape, plan, read_shape
from services.preprocess.opened import MICROSECONDS, OpenInput
from services.preprocess.picture_graph import Kind, Rgb, kind_of, read_background
from services.preprocess.rate import read_rate
from services.preprocess.reader import PICTURE, SOUND, Reader
from services.preprocess.sounds import sound_format_of
from services.preprocess.span import Span, read_span

EITHER_LAYOUT = (PixelLayout.I420, PixelLayout.RGB24)
MAX_NOMINAL_RATE = 1000


@dataclass(frozen=True)
class Wishes:
    """A PreprocessConfig, checked."""

    shape: Shape
    rate: Fraction
    background: Rgb
    span: Span
    mute: bool
    passthrough: bool
    sound_picture: int


def read_wishes(config: PreprocessConfig) -> Wishes:
    """BadParameter: something in it cannot be."""
    return Wishes(
        read_shape(config),
        read_rate(config.rate),
        read_background(config.background),
        read_span(config),
        config.mute,
        config.sound_passthrough,
        config.sound_picture,
    )


def layouts_for(video: VideoFormat, settings: Settings) -> tuple[PixelLayout, ...]:
    """Layouts that frames of this size can have, the preferred first. TooLarge: none fits a message."""
    even = not (video.width & 1 or video.height & 1)
    possible = EITHER_LAYOUT if even else (PixelLayout.RGB24,)
    fitting = []
    for layout in possible:
        offer = Offer(PICTURE, PayloadKind.FRAMES, video, possible).settled(layout)
        try:
            check_limits(offer, settings.max_frame_pixels, settings.max_message_bytes)
            fitting.append(layout)
        except TooLarge:
            if layout is possible[0]:
                raise
    return tuple(fitting)


class Intake:
    """What a stream knows before its first chunk.

    ``origin``: the one moment of the container's time, in exact seconds, that becomes 0 on every track: the
    earliest first pts of the tracks that are used.
    """

    def __init__(self, opened: OpenInput, wishes: Wishes, settings: Settings) -> None:
        """InputDamaged: nothing in it can be decoded. TooLarge: over a limit."""
        self.opened = opened
        self.wishes = wishes
        self._settings = settings
        self.reader = Reader(opened, settings, mute=wishes.mute, passthrough=wishes.passthrough)
        self.picture_kind: Kind | None = None
        self.interlaced = False
        self.sound_format: SoundFormat | None = None
        firsts = [self._look_at_picture(), self._look_at_sound()]
        known = [first for first in firsts if first is not None]
        container_start = Fraction(opened.container.start_time or 0, MICROSECONDS)
        self.origin = min(known) if known else container_start
        if wishes.span.start:
            self.reader.seek(self.origin + wishes.span.start)

    @property
    def geometry(self) -> Geometry | None:
        """How pictures get their size; None without pictures."""
        if self.picture_kind is None:
            return None
        return plan(*self.picture_kind.upright_size, self.wishes.shape)

    def offers(self) -> tuple[Offer, ...]:
        """All tracks, the picture first. TooLarge: what comes out is over a limit."""
        sound = self.sound_offer()
        return (self.picture_offer(), *(() if sound is None else (sound,)))

    def picture_offer(self) -> Offer:
        """Of the picture track; only where there are pictures. TooLarge: what comes out is over a limit."""
        stream, geometry, kind = self.reader.picture, self.geometry, self.picture_kind
        assert stream is not None
        assert kind is not None
        assert geometry is not None
        rate = self.wishes.rate or nominal_rate(stream)
        video = VideoFormat(
            geometry.width,
            geometry.height,
            1 / self.wishes.rate if self.wishes.rate else Fraction(stream.time_base),
            frame_rate=rate,
            sample_aspect=sample_aspect(stream, swaps=kind.turn.swaps),
        )
        seconds = self.expected_s
        count = int(stream.frames or 0) if self._is_whole else 0
        layouts = layouts_for(video, self._settings)
        return Offer(
            PICTURE,
            PayloadKind.FRAMES,
            video,
            layouts,
            count or round(rate * seconds),
            round(seconds * MICROSECONDS),
        )

    def sound_offer(self) -> Offer | None:
        """Of the sound track; None without sound."""
        stream = self.reader.sound
        if stream is None or self.sound_format is None:
            return None
        duration_us = round(self.expected_s * MICROSECONDS)
        if not self.wishes.passthrough:
            return Offer(SOUND, PayloadKind.SOUND, self.sound_format, (), 0, duration_us)
        context = stream.codec_context
        format_ = PacketFormat(
            codec=context.codec.canonical_name,
            time_base=Fraction(stream.time_base),
            extradata=bytes(context.extradata or b""),
            sound=self.sound_format,
        )
        return Offer(SOUND, PayloadKind.PACKETS, format_, (), 0, duration_us)

    @property
    def expected_s(self) -> Fraction:
        """Length of what will come; 0: not known. For progress only."""
        whole = Fraction(self.opened.duration_us, MICROSECONDS)
        span = self.wishes.span
        if not whole:
            return Fraction(0) if span.end is None else span.end - span.start
        end = whole if span.end is None else min(whole, span.end)
        return max(Fraction(0), end - span.start)

    @property
    def _is_whole(self) -> bool:
        return not (self.wishes.span.start or self.wishes.span.end or self.wishes.rate)

    def _look_at_picture(self) -> Fraction | None:
        stream = self.reader.picture
        if stream is None:
            return None
        first = self.reader.first(PICTURE)
        if first is None:
            raise InputDamaged(f"{self.opened.name}: no picture could be decoded")
        self.picture_kind = kind_of(first.frame)
        self.interlaced = bool(first.frame.interlaced_frame)
        return _moment(stream, first.pts)

    def _look_at_sound(self) -> Fraction | None:
        stream = self.reader.sound
        if stream is None:
            return None
        if self.wishes.passthrough:
            self.sound_format = _declared_sound(stream)
            return _moment(stream, None)
        first = self.reader.first(SOUND)
        if first is None:
            self.sound_format = _declared_sound(stream)
            if self.picture_kind is None:
                raise InputDamaged(f"{self.opened.name}: no sound could be decoded")
            return None
        self.sound_format = sound_format_of(first.frame)
        return _moment(stream, first.pts)


def nominal_rate(stream: Any) -> Fraction:
    """Frames per second as far as the container tells, 0 where it does not or cannot mean it."""
    rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= MAX_NOMINAL_RATE else Fraction(0)


def sample_aspect(stream: Any, *, swaps: bool) -> Fraction:
    """Width of a pixel by its height once the picture is upright; 0 where not known."""
    aspect = Fraction(stream.sample_aspect_ratio or 0)
    return 1 / aspect if aspect and swaps else aspect


def _moment(stream: Any, pts: int | None) -> Fraction | None:
    """Exact seconds of a first frame, as the container tells where the frame does not."""
    ticks = stream.start_time if pts is None else pts
    return None if ticks is None else Fraction(stream.time_base) * int(ticks)


def _declared_sound(stream: Any) -> SoundFormat | None:
    context = stream.codec_context
    if not context.sample_rate or not context.layout.nb_channels:
        return None
    rate = int(context.sample_rate)
    return SoundFormat(rate, context.layout.name, context.layout.nb_channels, Fraction(1, rate))
