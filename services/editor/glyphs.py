"""Fonts: the one that comes along, and whether a font has what a text needs."""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from pathlib import Path

from PIL import ImageFont

BUNDLED = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
BUNDLED_SCRIPTS = "Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic and signs"
NO_LETTER = "\uffff"  # Unicode will never give it a meaning, so that no font has it
UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
TRIAL_PIXELS = 32
NAMED_LETTERS = 8


@cache
def bundled_font() -> bytes:
    """The file of the font that comes along, for BUNDLED_SCRIPTS."""
    return BUNDLED.read_bytes()


def missing_letters(font: bytes, text: str) -> str:
    """The letters of ``text`` that the font (a file's bytes) would show as an empty box, named; "" for none.

    A letter is missing where it looks as one does that no font has. Asked without shaping, which would draw
    a mark that stands alone with a letter of its own.
    """
    trial = ImageFont.truetype(io.BytesIO(font), TRIAL_PIXELS, layout_engine=ImageFont.Layout.BASIC)
    empty = _shape(trial, NO_LETTER)
    letters = sorted({letter for letter in text if unicodedata.category(letter) not in UNSEEN})
    missing = [letter for letter in letters if _shape(trial, letter) == empty]
    named = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in missing[:NAMED_LETTERS])
    return named + (f" and {len(missing) - NAMED_LETTERS} more" if len(missing) > NAMED_LETTERS else "")


def _shape(font: ImageFont.FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
