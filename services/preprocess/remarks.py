"""What preprocess will do about an input, one line each: for probe, and what of it a stream is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from reelwire.pixels import even
from services.preprocess.intake import Intake
from services.preprocess.picture_graph import Kind

INDEX_ENTRIES = 1000  # looked at
UNEVEN_STEP, UNEVEN_SHARE = 0.25, 0.02  # a step this far from the median is uneven; so many make it variable
RATES_APART = 0.05


def remarks_of(intake: Intake) -> list[str]:
    """All of them."""
    kind, lines = intake.picture_kind, []
    if kind is None:
        lines.append("only sound: the picture is made")
    else:
        lines += _about_picture(kind)
        if is_variable_rate(intake.reader.picture):
            lines.append("variable frame rate: every frame keeps its own time")
    lines += notices_of(intake)
    width, height = intake.size
    if width & 1 or height & 1:
        lines.append(
            f"{width}x{height} is odd: 4:2:0 output is padded right and bottom, by repeating the edge, to "
            f"{even(width)}x{even(height)}"
        )
    return lines


def notices_of(intake: Intake) -> Iterator[str]:
    """Those that a stream is told as well. Of padding it is told by the encoder, who does it."""
    if intake.interlaced:
        yield "interlaced: the fields are left as they are; a filter such as bwdif makes frames of them"


def _about_picture(kind: Kind) -> Iterator[str]:
    if kind.turn.filters:
        yield f"{kind.turn.in_words}, so that it stands upright"
    if kind.colour.hdr:
        yield f"HDR ({kind.colour.hdr}): tones are mapped to SDR BT.709"
    elif kind.colour.maps_tones:
        yield "wide gamut: colours are brought to BT.709"
    if kind.alpha:
        yield "transparent: laid over the background colour"


def is_variable_rate(stream: Any) -> bool:
    """As far as the container tells without decoding."""
    entries = stream.index_entries
    if stream.frames and len(entries) == stream.frames:
        times = np.sort([entries[place].timestamp for place in range(min(len(entries), INDEX_ENTRIES))])
        steps = np.diff(times)
        if not len(steps):
            return False
        middle = float(np.median(steps))
        return float(np.mean(np.abs(steps - middle) > UNEVEN_STEP * middle)) > UNEVEN_SHARE
    average, nominal = stream.average_rate, stream.base_rate
    return bool(average and nominal) and abs(float(average / nominal) - 1) > RATES_APART
