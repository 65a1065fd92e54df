"""PSNR and SSIM say what they are defined to say."""

from __future__ import annotations

import numpy as np
import pytest

from exporters.likeness import Likeness, measure, ssim

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.random((1, 3, 24, 40)).astype(np.float32)


def test_equal_pictures_are_wholly_alike() -> None:
    assert ssim(PICTURE, PICTURE.copy()) == pytest.approx(1)
    assert measure([{"y": PICTURE}], [{"y": PICTURE}]) == Likeness(120.0, pytest.approx(1), 0.0)


def test_flat_pictures_differ_by_their_brightness_alone() -> None:
    one, other = np.full((16, 16), 0.5), np.full((16, 16), 0.25)
    c1 = 0.01**2
    assert ssim(one, other) == pytest.approx((2 * 0.5 * 0.25 + c1) / (0.5**2 + 0.25**2 + c1))


def test_an_inverted_picture_is_unlike() -> None:
    likeness = ssim(PICTURE, 1 - PICTURE)
    assert likeness is not None
    assert likeness < -0.5


def test_the_layout_does_not_matter() -> None:
    noisy = PICTURE + RANDOM.normal(0, 0.1, PICTURE.shape).astype(np.float32)
    moved = ssim(np.moveaxis(PICTURE, 1, 3), np.moveaxis(noisy, 1, 3))
    assert ssim(PICTURE, noisy) == pytest.approx(moved)
    assert 0.5 < moved < 1


def test_what_is_no_picture_has_no_structure() -> None:
    assert ssim(np.zeros((1, 4)), np.ones((1, 4))) is None
    assert ssim(np.zeros(7), np.ones(7)) is None


def test_numbers_that_are_none_and_other_shapes_are_as_unlike_as_can_be() -> None:
    broken = PICTURE.copy()
    broken[0, 0, 0, 0] = np.nan
    assert ssim(PICTURE, broken) == -1
    found = measure([{"y": PICTURE}], [{"y": PICTURE[:, :, 1:]}])
    assert (found.psnr_db, found.ssim, found.max_abs_error) == (-np.inf, -1, np.inf)


def test_the_worst_run_counts() -> None:
    near = PICTURE + np.float32(1e-3)
    far = PICTURE + np.float32(1e-1)
    assert measure([{"y": PICTURE}] * 2, [{"y": near}, {"y": far}]).max_abs_error == pytest.approx(
        0.1, rel=1e-3
    )
