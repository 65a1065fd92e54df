"""How much a variant's outputs are like the fp32 graph's: PSNR, SSIM, largest difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reelwire.engines.backend import Array
from reelwire.models.fidelity import least_psnr_db, max_abs_error

Map = npt.NDArray[np.float64]
WINDOW_PX = 11
SIGMA_PX = 1.5
K1, K2 = 0.01, 0.03


@dataclass(frozen=True, slots=True)
class Likeness:
    """The worst of all runs. ``ssim`` is None where no output is a map of at least 11 by 11."""

    psnr_db: float
    ssim: float | None
    max_abs_error: float

    def __str__(self) -> str:
        ssim = "" if self.ssim is None else f", SSIM {self.ssim:.4f}"
        return f"PSNR {self.psnr_db:.1f} dB{ssim}, at most {self.max_abs_error:.2g} off"


def measure(wanted: Sequence[Mapping[str, Array]], got: Sequence[Mapping[str, Array]]) -> Likeness:
    """Run by run; PSNR over all outputs as in ``reelwire/models/fidelity.py``."""
    pairs = list(zip(wanted, got, strict=True))
    found = [
        value
        for one, other in pairs
        for name, array in one.items()
        if (value := ssim(array, other[name])) is not None
    ]
    return Likeness(
        psnr_db=float(min(least_psnr_db(one, other) for one, other in pairs)),
        ssim=min(found, default=None),
        max_abs_error=max(max_abs_error(one, other) for one, other in pairs),
    )


def ssim(wanted: Array, got: Array) -> float | None:
    """Mean structural similarity of each map in an array, at most 1; the two longest axes are rows and
    columns. None: they are shorter than the window. A dynamic range of ``max - min`` of ``wanted``.

    Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (2004): Gaussian windows of 11 by 11, sigma 1.5, whole windows only.
    """
    if wanted.shape != got.shape or not np.isfinite(got).all():
        return -1.0
    if wanted.ndim < 2 or sorted(wanted.shape)[-2] < WINDOW_PX:
        return None
    rows, columns = sorted(np.argsort(wanted.shape, kind="stable")[-2:])
    span = float(np.ptp(wanted.astype(np.float64))) or 1.0
    maps = [np.moveaxis(array.astype(np.float64), (rows, columns), (-2, -1)) for array in (wanted, got)]
    flat = [array.reshape(-1, *array.shape[-2:]) for array in maps]
    return float(np.mean([_ssim_of(one, other, span) for one, other in zip(*flat, strict=True)]))


def _ssim_of(one: Map, other: Map, span: float) -> float:
    c1, c2 = (K1 * span) ** 2, (K2 * span) ** 2
    mean_one, mean_other = _mean(one), _mean(other)
    variance_one = _mean(one * one) - mean_one**2
    variance_other = _mean(other * other) - mean_other**2
    together = _mean(one * other) - mean_one * mean_other
    likeness = ((2 * mean_one * mean_other + c1) * (2 * together + c2)) / (
        (mean_one**2 + mean_other**2 + c1) * (variance_one + variance_other + c2)
    )
    return float(likeness.mean())


def _mean(picture: Map) -> Map:
    half = WINDOW_PX // 2
    blurred = cv2.GaussianBlur(picture, (WINDOW_PX, WINDOW_PX), SIGMA_PX)
    return np.asarray(blurred[half : picture.shape[0] - half, half : picture.shape[1] - half], np.float64)
