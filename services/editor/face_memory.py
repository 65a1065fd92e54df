"""Where faces are, were, and may still be: what is covered in each frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from reelwire.engines.backend import Array
from reelwire.errors import BadPayload, TooLarge
from services.editor.faces import Boxes, overlap

SAME_FACE = 0.1
GROWTH_PER_S = 1.0  # of a face's size: how fast a face that is no longer found may move
MAX_FACES = 256
BOXES_KEY, TIMES_KEY = "faces", "faces seen"


@dataclass(frozen=True, slots=True)
class HoldParams:
    """``threshold``: least score of a new face; half of it is enough where one is already known. ``hold_s``:
    how long a face is covered after it was last found."""

    threshold: float
    hold_s: Fraction


class FaceMemory:
    """One stream's faces: those of the frame before, and those that are held. In pixels of the frame."""

    def __init__(self) -> None:
        self._boxes: Boxes = np.empty((0, 5))
        self._seen_s: list[Fraction] = []

    def update(self, found: Boxes, now_s: Fraction, params: HoldParams) -> Boxes:
        """What to cover now. ``found``: all of at least half the threshold, the surest first. TooLarge: more
        faces than are kept; nothing is forgotten then."""
        known = self._boxes
        taken = np.array(
            [box[4] >= params.threshold or bool((overlap(box, known) > SAME_FACE).any()) for box in found],
            bool,
        )
        current = found[taken]
        missed = [p for p in _missed(known, current) if now_s - self._seen_s[p] <= params.hold_s]
        if len(current) + len(missed) > MAX_FACES:
            raise TooLarge(f"{len(current) + len(missed)} faces to cover; expected at most {MAX_FACES}")
        seen_s = [self._seen_s[place] for place in missed]
        held = known[missed]
        self._boxes = np.concatenate([current, held])
        self._seen_s = [now_s] * len(current) + seen_s
        return self.covered(now_s)

    def covered(self, now_s: Fraction) -> Boxes:
        """The boxes, larger for each second since they were found."""
        grown = self._boxes.copy()
        for box, seen_s in zip(grown, self._seen_s, strict=True):
            more = float(now_s - seen_s) * GROWTH_PER_S / 2
            width, height = box[2] - box[0], box[3] - box[1]
            box[:4] += (-width * more, -height * more, width * more, height * more)
        return grown

    def save(self) -> dict[str, Array]:
        """All that it holds."""
        times = [[str(seen_s.numerator), str(seen_s.denominator)] for seen_s in self._seen_s]
        return {BOXES_KEY: self._boxes, TIMES_KEY: np.array(times, np.str_).reshape(-1, 2)}

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not what it gave."""
        try:
            boxes = np.asarray(saved[BOXES_KEY], np.float64).reshape(-1, 5)
            seen_s = [Fraction(int(top), int(bottom)) for top, bottom in saved[TIMES_KEY]]
        except (KeyError, ValueError, TypeError, ZeroDivisionError):
            raise BadPayload("the saved state holds no faces; start the stream again") from None
        if len(boxes) != len(seen_s) or len(boxes) > MAX_FACES:
            raise BadPayload("the saved faces have no times; start the stream again")
        self._boxes, self._seen_s = boxes, seen_s


def _missed(known: Boxes, current: Boxes) -> list[int]:
    """Places of the faces that are not among those found now. Each of those accounts for one known face, the
    one that it covers most: of two faces side by side the other is missed when only one is found."""
    left = list(range(len(known)))
    for box in current:
        if not left:
            break
        shared = overlap(box, known[left])
        best = int(shared.argmax())
        if shared[best] > SAME_FACE:
            del left[best]
    return left
