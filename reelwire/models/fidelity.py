"""How much one run's outputs look like another's: PSNR over all outputs, and the largest difference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reelwire.engines.backend import Array

SAME_DB = 120.0
"""PSNR of equal outputs, and the most that is ever said: beyond it float32 itself rounds."""


def psnr_db(reference: Array, got: Array) -> float:
    """Peak signal-to-noise ratio in dB, at most ``SAME_DB``. The peak is the range of the reference,
    ``max - min``, at least the largest magnitude's thousandth; -inf where either is not finite or they
    are of two shapes."""
    if reference.shape != got.shape or not (np.isfinite(got).all() and np.isfinite(reference).all()):
        return -np.inf
    wanted, given = reference.astype(np.float64), got.astype(np.float64)
    if not wanted.size:
        return SAME_DB
    peak = max(float(np.ptp(wanted)), float(np.abs(wanted).max()) * 1e-3, 1e-12)
    error = float(np.mean(np.square(wanted - given)))
    return min(SAME_DB, 10 * np.log10(peak**2 / error)) if error > 0 else SAME_DB


def least_psnr_db(reference: Mapping[str, Array], got: Mapping[str, Array]) -> float:
    """The worst of all outputs of ``reference``, by ``psnr_db``; -inf where one is missing."""
    return min((psnr_db(array, got[name]) if name in got else -np.inf for name, array in reference.items()),
               default=SAME_DB)  # fmt: skip


def max_abs_error(reference: Mapping[str, Array], got: Mapping[str, Array]) -> float:
    """The largest absolute difference of any output; inf where one is missing, of another shape, or
    either is not finite."""
    worst = 0.0
    for name, wanted in reference.items():
        given = got.get(name)
        if given is None or given.shape != wanted.shape:
            return np.inf
        if not (np.isfinite(given).all() and np.isfinite(wanted).all()):
            return np.inf
        if wanted.size:
            worst = max(worst, float(np.abs(wanted.astype(np.float64) - given.astype(np.float64)).max()))
    return worst
