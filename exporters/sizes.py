"""Sizes on a command line."""

from __future__ import annotations

import argparse
import re


def size_of(text: str) -> tuple[int, int]:
    """ "640x360" → (360, 640): height and width, as arrays have them."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not found:
        raise argparse.ArgumentTypeError(f'"{text}": expected WIDTHxHEIGHT, such as 640x360')
    return int(found[2]), int(found[1])
