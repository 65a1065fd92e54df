"""An input that libavformat has opened: its container, the streams that are used, and its limits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av

from reelwire.errors import InputDamaged, TooLarge
from reelwire.settings import Settings

MICROSECONDS = 1_000_000
BUFFER_BYTES = 1 << 18


@dataclass
class OpenInput:
    """``name`` is for messages. ``realtime``: comes as it happens (a camera, a feed), so it is neither paced
    nor of bounded length. ``endless``: has no length by design. ``connection``: "stream" where bytes can get
    lost only by a fault, "feed" where silence is the end, empty for a file. ``known_length_us``: where the
    container does not say."""

    container: Any
    name: str
    realtime: bool = False
    connection: str = ""
    endless: bool = False
    known_length_us: int = 0
    on_close: Callable[[], None] = field(default=lambda: None)

    @property
    def picture(self) -> Any | None:
        """The first video stream that moves; a cover picture is none. None: there is none."""
        return next((s for s in self.container.streams.video if _usable(s) and not _is_cover(s)), None)

    @property
    def sound(self) -> Any | None:
        """The first sound stream that can be decoded; None: there is none."""
        return next((stream for stream in self.container.streams.audio if _usable(stream)), None)

    @property
    def duration_us(self) -> int:
        """As the container says; 0 when nobody does."""
        return self.known_length_us or max(0, int(self.container.duration or 0))

    @property
    def can_leap(self) -> bool:
        """Its clock may begin anew or be damaged (MPEG-TS and the like)."""
        flags: int = self.container.format.flags
        discontinuous: Any = av.format.Flags.ts_discont
        return bool(flags & discontinuous.value)

    def close(self) -> None:
        """Closes the container and what it reads from."""
        with contextlib.suppress(av.FFmpegError):
            self.container.close()
        self.on_close()


def reason_of(error: Exception) -> str:
    """What libavformat says, in a few words."""
    if isinstance(error, av.error.ExitError):
        return "nothing came for too long"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def check_input(opened: OpenInput, settings: Settings) -> None:
    """InputDamaged: nothing usable in it. TooLarge: over a limit, as far as the header tells."""
    if opened.picture is None and opened.sound is None:
        kinds = ", ".join(sorted({stream.type for stream in opened.container.streams})) or "nothing"
        raise InputDamaged(
            f"{opened.name} holds no picture and no sound that can be decoded (it holds {kinds})"
        )
    if opened.picture is not None:
        context = opened.picture.codec_context
        check_pixels(context.width, context.height, settings)
    if not opened.realtime:
        check_duration(Fraction(opened.duration_us, MICROSECONDS), settings)


def check_pixels(width: int, height: int, settings: Settings) -> None:
    """TooLarge: a frame of that size."""
    if width * height > settings.max_frame_pixels:
        raise TooLarge(
            f"frame size {width}x{height} is {width * height} pixels, at most {settings.max_frame_pixels}; "
            "raise REELWIRE_MAX_FRAME_PIXELS",
            field="input",
        )


def check_duration(duration_s: Fraction, settings: Settings) -> None:
    """TooLarge: an input of that length."""
    if duration_s > Fraction(settings.max_duration_s):
        raise TooLarge(
            f"the input is {float(duration_s):.3f} s long, at most {settings.max_duration_s:g} s; "
            "cut it first, or raise REELWIRE_MAX_DURATION_S",
            field="input",
        )


def _usable(stream: Any) -> bool:
    return stream.codec_context is not None


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)
