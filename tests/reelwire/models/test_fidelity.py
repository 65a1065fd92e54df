"""Likeness of outputs: what is not a number is like nothing."""

from __future__ import annotations

import numpy as np
import pytest

from reelwire.models.fidelity import SAME_DB, least_psnr_db, max_abs_error

HALVES = {"result": np.full((2, 3), 0.5, np.float32)}
BROKEN = {"result": np.array([[0.5, np.nan, 0.5], [0.5, 0.5, 0.5]], np.float32)}


@pytest.mark.parametrize(("reference", "got"), [(HALVES, BROKEN), (BROKEN, HALVES), (BROKEN, BROKEN)])
def test_nan_on_either_side_is_no_likeness(
    reference: dict[str, np.ndarray], got: dict[str, np.ndarray]
) -> None:
    assert least_psnr_db(reference, got) == -np.inf
    assert max_abs_error(reference, got) == np.inf


def test_equal_outputs_are_the_most_that_is_said() -> None:
    assert (least_psnr_db(HALVES, dict(HALVES)), max_abs_error(HALVES, dict(HALVES))) == (SAME_DB, 0)
