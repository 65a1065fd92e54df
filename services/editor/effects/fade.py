"""Fades in and out, to and from a colour; sound from and to silence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from reelwire.media import Sound
from services.editor.effect import Frame, Output, StreamEffect
from services.editor.params import Color, boolean, exact, hex_color, rgb_of, seconds

NEUTRAL: dict[str, object] = {}


@dataclass(frozen=True, slots=True)
class Params:
    """Two ramps: from the colour to the picture, and back."""

    in_s: float = seconds(0.0, "How long the fade in takes, in seconds; 0: none.")
    in_start_s: float = seconds(0.0, "When the fade in starts, in seconds; before it all is the colour.")
    out_s: float = seconds(0.0, "How long the fade out takes, in seconds; 0: none.")
    out_start_s: float = seconds(0.0, "When the fade out starts, in seconds; after it all is the colour.")
    color: str = hex_color("#000000", "The colour that is faded from and to.")
    sound: bool = boolean(True, "Fade the sound too.")


@dataclass(frozen=True, slots=True)
class Ramps:
    """The same, exact. A length of 0: no such ramp."""

    in_s: Fraction
    in_start_s: Fraction
    out_s: Fraction
    out_start_s: Fraction
    color: Color
    sound: bool

    def level(self, time_s: Fraction) -> float:
        """How much of the picture is there, 0 to 1."""
        level = Fraction(1)
        if self.in_s:
            level *= _between((time_s - self.in_start_s) / self.in_s)
        if self.out_s:
            level *= 1 - _between((time_s - self.out_start_s) / self.out_s)
        return float(level)

    def gains(self, first: Fraction, count: int, rate: int) -> npt.NDArray[np.float64]:
        """(count,) 0 to 1: how loud each sample is. ``first``: the first one's time in samples. Worked out
        from whole sample numbers, so that it does not depend on where sound was cut."""
        whole = first // 1
        places = np.arange(whole, whole + count, dtype=np.float64)
        shift = float(first - whole)
        gains = np.ones(count)
        if self.in_s:
            start = float(self.in_start_s * rate)
            gains *= np.clip((places - start + shift) / float(self.in_s * rate), 0, 1)
        if self.out_s:
            start = float(self.out_start_s * rate)
            gains *= 1 - np.clip((places - start + shift) / float(self.out_s * rate), 0, 1)
        return gains


class Effect(StreamEffect[Params, Ramps]):
    """Linear in time, for the picture's levels and for the sound's amplitude."""

    changes_sound = True

    def prepare(self, params: Params) -> Ramps:
        """Exact times."""
        return Ramps(
            exact(params.in_s),
            exact(params.in_start_s),
            exact(params.out_s),
            exact(params.out_start_s),
            rgb_of(params.color),
            params.sound,
        )

    def feed(self, frame: Frame, ready: Ramps) -> Iterable[Output]:
        """The frame, mixed with the colour."""
        level = ready.level(frame.time_s)
        if level == 1:
            return (frame,)
        steps = np.arange(256, dtype=np.float64)[:, None]
        table = np.asarray(ready.color) + (steps - np.asarray(ready.color)) * level  # (256, 3)
        levels = np.floor(table + 0.5).astype(np.uint8)[None]
        return (frame.showing(np.asarray(cv2.LUT(frame.pixels, levels), np.uint8)),)

    def sound(self, sound: Sound, ready: Ramps) -> Sound | None:
        """The sound, as loud as the picture is there."""
        if not ready.sound or not (ready.in_s or ready.out_s):
            return sound
        rate = sound.format.sample_rate
        gains = ready.gains(sound.pts * sound.format.time_base * rate, len(sound.samples), rate)
        if (gains == 1).all():
            return sound
        return Sound(sound.format, sound.pts, sound.samples * gains[:, None].astype(np.float32))


def _between(value: Fraction) -> Fraction:
    return min(max(value, Fraction(0)), Fraction(1))
