""" "testsrc:size=640x360:rate=25:duration=10" → libavfilter's testsrc2 and a tone.

What is asked for is read into numbers here; only numbers reach libavfilter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from reelwire.choices import choose_from
from reelwire.errors import BadParameter
from reelwire.pixels import even
from reelwire.settings import Settings
from services.preprocess.containers import open_container
from services.preprocess.geometry import MAX_SIDE_PIXELS
from services.preprocess.opened import MICROSECONDS, OpenInput
from services.preprocess.rate import read_rate

SCHEME = "testsrc:"
SAMPLE_RATE = 48_000
TONE_HZ = 440


@dataclass(frozen=True)
class TestPicture:
    """Pixels, frames per second, seconds (0: without end)."""

    width: int = 640
    height: int = 360
    rate: Fraction = Fraction(25)
    duration_s: Fraction = Fraction(10)

    @property
    def is_odd(self) -> bool:
        """True where a side is odd."""
        return bool(self.width % 2 or self.height % 2)


def read_testsrc(url: str, *, live: bool) -> TestPicture:
    """BadParameter: an unknown key, or a value that cannot be. Without end only where ``live``."""
    given: dict[str, str] = {}
    for part in filter(None, url.removeprefix(SCHEME).split(":")):
        key, _, value = part.partition("=")
        if key not in ("size", "rate", "duration"):
            raise BadParameter(
                choose_from("testsrc key", key, ("size", "rate", "duration")), field="input.url"
            )
        given[key] = value
    width, height = _size(given.get("size", "640x360"))
    duration_s = _duration(given.get("duration", "10"))
    if not duration_s and not live:
        raise BadParameter(
            "testsrc with duration=0 never ends; give seconds, or use the LIVE policy", field="input.url"
        )
    return TestPicture(width, height, read_rate(given.get("rate") or "25"), duration_s)


def open_testsrc(url: str, settings: Settings, *, live: bool) -> OpenInput:
    """BadParameter: see ``read_testsrc``."""
    asked = read_testsrc(url, live=live)
    length = f":duration={float(asked.duration_s):.9f}" if asked.duration_s else ""
    even_size = f"{even(asked.width)}x{even(asked.height)}"  # testsrc2 rounds odd ones down
    # Cropped as RGB, because a 4:2:0 picture has no odd size.
    crop = f",format=rgb24,crop={asked.width}:{asked.height}:0:0" if asked.is_odd else ""
    graph = (
        f"testsrc2=size={even_size}:rate={asked.rate}{length},setparams=colorspace=bt709:range=tv{crop}[out0];"
        f"sine=frequency={TONE_HZ}:sample_rate={SAMPLE_RATE}{length}[out1]"
    )
    return OpenInput(
        open_container(graph, "testsrc", format="lavfi"),
        "testsrc",
        endless=not asked.duration_s,
        known_length_us=round(asked.duration_s * MICROSECONDS),
    )


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1 <= width <= MAX_SIDE_PIXELS and 1 <= height <= MAX_SIDE_PIXELS):
        raise BadParameter(
            f'testsrc size "{text}"; expected WxH of 1 to {MAX_SIDE_PIXELS} such as 640x360',
            field="input.url",
        )
    return width, height


def _duration(text: str) -> Fraction:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
        raise BadParameter(f'testsrc duration "{text}"; expected seconds such as 5 or 2.5', field="input.url")
    return Fraction(text)
