"""Blurs everything but people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from reelwire.engines.backend import Array
from reelwire.media import Pixels
from reelwire.models.loading import LoadedModel
from services.editor.effect import Frame, Output, Place, StreamEffect
from services.editor.matte import FEATHER_HELP, MODEL_HELP, SMOOTHING_HELP, Mask, Matte, MatteParams
from services.editor.params import number, seconds, string

SMALL_SIGMA = 4.0  # pixels; wider blurs are made on a smaller picture
LEAST_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Params:
    """How far, and where the edge is."""

    strength: float = number(
        0.02, 0.001, 0.2, "Width of the blur (sigma), as a part of the picture's height."
    )
    feather: float = number(0.6, 0, 1, FEATHER_HELP)
    smoothing_s: float = seconds(0.08, SMOOTHING_HELP)
    model: str = string("selfie-segmentation", 128, MODEL_HELP, fixed=True)


class Effect(StreamEffect[Params, Params]):
    """Remembers the mask of the frame before. Where the model fails all is blurred."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._matte: Matte | None = None

    def prepare(self, params: Params) -> Params:
        """Raises as ``Matte``."""
        if self._matte is None:
            self._matte = Matte(self.place, params.model, "background_blur")
        return params

    def models(self) -> tuple[LoadedModel, ...]:
        """The segmentation model."""
        return (self._matte.model,) if self._matte else ()

    def feed(self, frame: Frame, ready: Params) -> Iterable[Output]:
        """The frame, its background blurred."""
        assert self._matte is not None
        person = self._matte.of(frame, MatteParams(ready.smoothing_s, ready.feather))
        blurred = blur_behind(frame.pixels, person, ready.strength * self.place.video.height)
        return (
            frame.showing(np.asarray(cv2.blendLinear(frame.pixels, blurred, person, 1 - person), np.uint8)),
        )

    def close(self) -> None:
        """Frees what the engine keeps for this stream."""
        if self._matte is not None:
            self._matte.close()

    def save(self) -> dict[str, Array]:
        """The mask."""
        return self._matte.save() if self._matte else {}

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``."""
        assert self._matte is not None
        self._matte.load(saved)


def blur_behind(rgb: Pixels, person: Mask, sigma: float) -> Pixels:
    """(H, W, 3) blurred with ``sigma`` pixels, each pixel weighted by how little of it is a person, so that
    nobody's colours bleed into the background."""
    height, width = person.shape
    factor = max(1.0, sigma / SMALL_SIGMA)
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    weight = cv2.resize(1 - person, size, interpolation=cv2.INTER_AREA)[..., None] + np.float32(LEAST_SHARE)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    both = np.concatenate([small * weight, weight], axis=2)
    mixed = cv2.GaussianBlur(both, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    blurred = np.clip(mixed[..., :3] / mixed[..., 3:] + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
