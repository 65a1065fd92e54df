"""An opened input, looked into as far as its first frames: what it holds, and from where its time counts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from reelwire.errors import BadParameter, InputDamaged
from reelwire.media import SoundFormat
from reelwire.settings import Settings
from services.preprocess.geometry import plan
from services.preprocess.opened import MICROSECONDS, OpenInput
from services.preprocess.picture_graph import Kind, kind_of
from services.preprocess.reader import PICTURE, SOUND, Reader
from services.preprocess.sound_picture import sound_picture_size
from services.preprocess.sounds import sound_format_of
from services.preprocess.wishes import Wishes


class Intake:
    """What a stream knows before its first chunk.

    ``origin``: the one moment of the container's time, in exact seconds, that becomes 0 on every track: the
    earliest first pts of the tracks that are used. ``picture_kind``, ``sound_format``: None where there is no
    such track. ``size``: width and height that come out.
    """

    def __init__(self, opened: OpenInput, wishes: Wishes, settings: Settings) -> None:
        """InputDamaged: nothing in it can be decoded. TooLarge: over a limit. BadParameter: what is wished
        for does not go with this input."""
        self.opened = opened
        self.wishes = wishes
        self.sound_only = opened.picture is None
        if self.sound_only and wishes.passthrough:
            raise BadParameter(
                f"{opened.name} has only sound, whose picture is made from its samples; "
                "leave sound_passthrough off",
                field="sound_passthrough",
            )
        mute = wishes.mute and not self.sound_only
        self.reader = Reader(opened, settings, mute=mute, passthrough=wishes.passthrough)
        self.picture_kind: Kind | None = None
        self.interlaced = False
        self.sound_format: SoundFormat | None = None
        self._is_timed = True  # where frames have no pts, theirs are counted from the first one on
        firsts = [self._look_at_picture(), self._look_at_sound()]
        known = [first for first in firsts if first is not None]
        self.origin = min(known, default=Fraction(opened.container.start_time or 0, MICROSECONDS))
        if wishes.span.start and self._is_timed:
            self.reader.seek(self.origin + wishes.span.start)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what comes out."""
        if self.picture_kind is None:
            return sound_picture_size(self.wishes.shape)
        geometry = plan(*self.picture_kind.upright_size, self.wishes.shape)
        return geometry.width, geometry.height

    @property
    def expected_s(self) -> Fraction:
        """Length of what will come; 0: not known. For progress only."""
        whole, span = Fraction(self.opened.duration_us, MICROSECONDS), self.wishes.span
        if not whole:
            return Fraction(0) if span.end is None else span.end - span.start
        end = whole if span.end is None else min(whole, span.end)
        return max(Fraction(0), end - span.start)

    def _look_at_picture(self) -> Fraction | None:
        stream = self.reader.picture
        if stream is None:
            return None
        first = self.reader.first(PICTURE)
        if first is None:
            raise self.reader.no_picture()
        self.picture_kind = kind_of(first.frame)
        self.interlaced = bool(first.frame.interlaced_frame)
        self._is_timed = first.pts is not None
        return _moment(stream, first.pts)

    def _look_at_sound(self) -> Fraction | None:
        stream = self.reader.sound
        if stream is None:
            return None
        if self.wishes.passthrough:
            self.sound_format = _declared_sound(stream)
            return _moment(stream, None)
        first = self.reader.first(SOUND)
        if first is not None:
            self.sound_format = sound_format_of(first.frame)
            return _moment(stream, first.pts)
        if self.sound_only:
            raise InputDamaged(f"{self.opened.name}: no sound could be decoded")
        self.sound_format = _declared_sound(stream)
        return None


def _moment(stream: Any, pts: int | None) -> Fraction | None:
    """Exact seconds of a first frame, as the container tells where the frame does not."""
    ticks = stream.start_time if pts is None else pts
    return None if ticks is None else Fraction(stream.time_base) * int(ticks)


def _declared_sound(stream: Any) -> SoundFormat | None:
    """As the header says; None where it does not."""
    context = stream.codec_context
    if not context.sample_rate or not context.layout.nb_channels:
        return None
    return sound_format_of(context)
