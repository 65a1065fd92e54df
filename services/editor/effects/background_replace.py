"""Puts a picture or a colour behind people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps

from reelwire.engines.backend import Array
from reelwire.media import Pixels
from reelwire.models.loading import LoadedModel
from services.editor.effect import Frame, Output, Place, StreamEffect
from services.editor.matte import FEATHER_HELP, MODEL_HELP, SMOOTHING_HELP, Matte, MatteParams
from services.editor.params import hex_color, number, rgb_of, seconds, string
from services.editor.pictures import open_picture


@dataclass(frozen=True, slots=True)
class Params:
    """What is behind, and where the edge is."""

    picture: str = string("", 255, "A PNG or JPEG in the asset folder, cropped to fit; empty: the colour.")
    color: str = hex_color("#00b140", "The colour behind where there is no picture.")
    feather: float = number(0.4, 0, 1, FEATHER_HELP)
    smoothing_s: float = seconds(0.08, SMOOTHING_HELP)
    model: str = string("selfie-segmentation", 128, MODEL_HELP, fixed=True)


@dataclass(frozen=True, slots=True)
class Scene:
    """The background, (H, W, 3) uint8, and how the mask is made."""

    behind: Pixels
    mask: MatteParams


class Effect(StreamEffect[Params, Scene]):
    """Remembers the mask of the frame before. Where the model fails only the background is seen."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._matte: Matte | None = None

    def prepare(self, params: Params) -> Scene:
        """Raises as ``Matte`` and ``open_picture``."""
        if self._matte is None:
            self._matte = Matte(self.place, params.model, "background_replace")
        width, height = self.place.size
        behind = np.full((height, width, 3), rgb_of(params.color), np.uint8)
        if params.picture:
            behind = _fitted(self.place, params.picture)
        return Scene(behind, MatteParams(params.smoothing_s, params.feather))

    def models(self) -> tuple[LoadedModel, ...]:
        """The segmentation model."""
        return (self._matte.model,) if self._matte else ()

    def feed(self, frame: Frame, ready: Scene) -> Iterable[Output]:
        """The people of the frame before the background."""
        assert self._matte is not None
        person = self._matte.of(frame, ready.mask)
        mixed = cv2.blendLinear(frame.pixels, ready.behind, person, 1 - person)
        return (frame.showing(np.asarray(mixed, np.uint8)),)

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


def _fitted(place: Place, name: str) -> Pixels:
    """The picture over the whole frame, what hangs out cut off evenly."""
    with open_picture(place.assets, name) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(ImageOps.fit(upright, place.size, Image.Resampling.LANCZOS))
