"""How much of each pixel is a person: a segmentation model's mask, smoothed over time, with soft edges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from reelwire.engines.backend import Array
from reelwire.errors import BadPayload, ModelUnusable
from reelwire.models.loading import LoadedModel
from services.editor.effect import Frame, Place
from services.editor.picture_model import Failures, PictureModel

Mask = npt.NDArray[np.float32]
LONGEST_SIDE = 512
MODEL_HELP = "The segmentation model, NAME or NAME@VERSION."
SMOOTHING_HELP = "Seconds over which the mask is smoothed; 0: not at all."
FEATHER_HELP = "How soft the edge is, as a part of the mask's own range; 0: hard."
MASK_KEY, TIME_KEY, STATE_PREFIX = "mask", "mask time", "state "


@dataclass(frozen=True, slots=True)
class MatteParams:
    """``smoothing_s``: time constant; ``feather`` 0 to 1."""

    smoothing_s: float
    feather: float


class Matte:
    """One stream's mask. Where the model fails there is no person: all is background, and so covered."""

    def __init__(self, place: Place, name: str, effect: str) -> None:
        """UnknownModel, ModelUnusable: there is no such model, or it gives no mask."""
        self._size = place.size
        self._model = PictureModel(place.open_model(name), LONGEST_SIDE, place.size)
        self._failures = Failures(place, effect)
        self._before: Mask | None = None
        self._before_s = Fraction(0)
        try:
            _mask_in(self._model.try_once(), self.model.name)
        except BaseException:
            self._model.close()
            raise

    @property
    def model(self) -> LoadedModel:
        """What it runs."""
        return self._model.model

    def of(self, frame: Frame, params: MatteParams) -> Mask:
        """(H, W) float32, 1 where there is a person, 0 where there is none."""
        mask = self._measure(frame)
        if mask is None:
            return np.zeros((self._size[1], self._size[0]), np.float32)
        if self._before is not None and params.smoothing_s > 0 and self._before.shape == mask.shape:
            passed_s = float(frame.time_s - self._before_s)
            kept = np.float32(math.exp(-passed_s / params.smoothing_s))
            mask = mask + (self._before - mask) * kept
        self._before, self._before_s = mask, frame.time_s
        large = np.asarray(cv2.resize(mask, self._size, interpolation=cv2.INTER_LINEAR), np.float32)
        soft = np.float32(max(params.feather, 1e-3))
        edged: Mask = (large - np.float32(0.5)) / soft + np.float32(0.5)
        return edged.clip(0, 1)

    def close(self) -> None:
        """Frees what the engine keeps for this stream."""
        self._model.close()

    def save(self) -> dict[str, Array]:
        """The mask before, and the model's state."""
        saved: dict[str, Array] = {STATE_PREFIX + k: v for k, v in self._model.save().items()}
        if self._before is not None:
            saved[MASK_KEY] = self._before
            saved[TIME_KEY] = np.array([str(self._before_s.numerator), str(self._before_s.denominator)])
        return saved

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not what it gave."""
        self._model.load(
            {k.removeprefix(STATE_PREFIX): saved[k] for k in saved if k.startswith(STATE_PREFIX)}
        )
        self._before = None
        if MASK_KEY not in saved:
            return
        mask = saved[MASK_KEY]
        try:
            self._before_s = Fraction(*(int(part) for part in saved[TIME_KEY]))
        except (KeyError, ValueError, TypeError, ZeroDivisionError):
            raise BadPayload("the saved mask has no time; start the stream again") from None
        if mask.ndim != 2 or mask.dtype != np.float32:
            raise BadPayload(f"the saved mask is {mask.dtype} {list(mask.shape)}; start the stream again")
        self._before = mask

    def _measure(self, frame: Frame) -> Mask | None:
        """What the model says, (h, w) float32 of 0 to 1; None: it failed, and what it remembers is gone."""
        try:
            mask = self._model.without_padding(_mask_in(self._model.run(frame.pixels), self.model.name))
        except Exception as error:
            why = str(error)
        else:
            if np.isfinite(mask).all():
                return mask.clip(0, 1)
            why = "its mask holds NaN or infinity"
        self._failures.count(frame.pts, why)
        self._model.reset()
        self._before = None
        return None


def _mask_in(outputs: Mapping[str, Array], model: str) -> Mask:
    """The first output that is one number for each pixel. ModelUnusable: there is none."""
    for array in outputs.values():
        sides = [length for length in array.shape if length != 1]
        if array.dtype.kind == "f" and len(sides) == 2:
            return array.reshape(sides).astype(np.float32)
    shapes = ", ".join(f'"{name}" {list(array.shape)}' for name, array in outputs.items())
    raise ModelUnusable(
        f'model "{model}" gives {shapes}; expected a mask, one number from 0 to 1 for each pixel',
        field="model",
    )
