"""Brightness, contrast, saturation, colour temperature, and a table of colours (.cube)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reelwire.media import Pixels
from services.editor.cube import MAX_CUBE_BYTES, check_cube
from services.editor.effect import Frame, Output, StreamEffect
from services.editor.graph import FilterGraph, lut3d
from services.editor.params import number, string

NEUTRAL: dict[str, object] = {}
NEUTRAL_K = 6500.0
LUMA = np.array([0.2126, 0.7152, 0.0722])  # BT.709
XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
DISPLAY_GAMMA = 2.2


@dataclass(frozen=True, slots=True)
class Params:
    """Applied in this order: temperature, contrast, brightness, saturation, table."""

    brightness: float = number(0.0, -1, 1, "Added to every level, as a part of full range.")
    contrast: float = number(1.0, 0, 4, "Levels are stretched from middle gray by this factor.")
    saturation: float = number(1.0, 0, 4, "Colours are moved away from gray by this factor; 0: gray.")
    temperature: float = number(NEUTRAL_K, 1700, 25000, "Colour of white in kelvin; below 6500: warmer.")
    lut: str = string("", 255, "A 3D table in .cube form, a file in the asset folder; empty: none.")


@dataclass(frozen=True, slots=True)
class Tables:
    """``levels``: (1, 256, 3) uint8; ``mixing``: (3, 3) float32, colours to colours; None: not needed."""

    levels: Pixels | None
    mixing: npt.NDArray[np.float32] | None
    lut: FilterGraph | None


class Effect(StreamEffect[Params, Tables]):
    """One table of levels, one matrix, and libavfilter's lut3d (tetrahedral)."""

    def prepare(self, params: Params) -> Tables:
        """BadParameter: a damaged table. Raises what reading it does."""
        mixing = None
        if params.saturation != 1:
            kept = params.saturation * np.eye(3)
            mixing = (kept + (1 - params.saturation) * LUMA).astype(np.float32)
        return Tables(_levels(params), mixing, self._lut(params.lut))

    def feed(self, frame: Frame, ready: Tables) -> Iterable[Output]:
        """The frame, graded."""
        if ready.levels is None and ready.mixing is None and ready.lut is None:
            return (frame,)
        rgb = frame.pixels
        if ready.levels is not None:
            rgb = np.asarray(cv2.LUT(rgb, ready.levels), np.uint8)
        if ready.mixing is not None:
            rgb = np.asarray(cv2.transform(rgb, ready.mixing), np.uint8)
        if ready.lut is not None:
            ((_, rgb),) = ready.lut.push(frame.pts, rgb)
        return (frame.showing(rgb),)

    def _lut(self, name: str) -> FilterGraph | None:
        if not name:
            return None
        check_cube(self.place.assets.read(name, "lut", MAX_CUBE_BYTES), name)
        path = self.place.assets.find(name, "lut")
        return lut3d(self.place.size, str(path))


def _levels(params: Params) -> Pixels | None:
    if (params.brightness, params.contrast, params.temperature) == (0, 1, NEUTRAL_K):
        return None
    steps = np.arange(256)[:, None] / 255  # (256, 1), then (256, 3)
    graded = (steps * _gains(params.temperature) - 0.5) * params.contrast + 0.5 + params.brightness
    return np.floor(np.clip(graded, 0, 1) * 255 + 0.5).astype(np.uint8)[None]


def _gains(kelvin: float) -> npt.NDArray[np.float64]:
    """(3,) factors of R, G, B that turn white of 6500 K into white of ``kelvin``, as bright as before."""
    linear = _white(kelvin) / _white(NEUTRAL_K)
    gains: npt.NDArray[np.float64] = (linear / (LUMA @ linear)) ** (1 / DISPLAY_GAMMA)
    return gains


def _white(kelvin: float) -> npt.NDArray[np.float64]:
    """(3,) linear sRGB of a black body, 1667 to 25000 K. Kim et al., "Design of advanced color temperature
    control system for HDTV applications", J. Korean Phys. Soc. 41 (2002), cubic splines of the locus."""
    t = 1000 / kelvin
    if kelvin <= 4000:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
    else:
        x = ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390
    if kelvin <= 2222:
        y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    elif kelvin <= 4000:
        y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    else:
        y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    rgb: npt.NDArray[np.float64] = XYZ_TO_RGB @ np.array([x / y, 1.0, (1 - x - y) / y])
    return rgb.clip(min=0)
