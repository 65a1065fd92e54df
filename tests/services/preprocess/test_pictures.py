"""Pictures come out upright, at the size that was asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwire.media import PixelLayout, Pixels
from reelwire.testing import picture
from reelwire.v1.config_pb2 import Fit
from tests.services.preprocess.clips import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    h264,
    lossless,
    near,
    quarters,
    with_matrix,
    write_pictures,
)
from tests.services.preprocess.running import upload

RGB, I420 = PixelLayout.RGB24, PixelLayout.I420


def test_even_sizes_are_offered_in_both_layouts_and_i420_first(tmp_path: Path) -> None:
    offer = upload(lossless(tmp_path / "clip.mkv", 2)).offers[0]
    assert offer.layouts == (I420, RGB)


def test_odd_sizes_are_offered_as_rgb_only(tmp_path: Path) -> None:
    given = upload(lossless(tmp_path / "clip.mkv", 2, width=35, height=19))
    assert given.offers[0].layouts == (RGB,)
    assert given.pixels.shape == (2, 19, 35, 3)


def test_a_single_pixel_is_a_picture(tmp_path: Path) -> None:
    clip = write_pictures(tmp_path / "dot.png", [np.full((1, 1, 3), 77, np.uint8)], "png", "rgb24")
    assert upload(clip).pixels.tolist() == [[[[77, 77, 77]]]]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), (RED, GREEN, BLUE, WHITE)),
        ((0, 1, -1, 0), (WHITE, RED, GREEN, BLUE)),
        ((-1, 0, 0, -1), (BLUE, WHITE, RED, GREEN)),
        ((0, -1, 1, 0), (GREEN, BLUE, WHITE, RED)),
        ((-1, 0, 0, 1), (GREEN, RED, WHITE, BLUE)),
        ((1, 0, 0, -1), (WHITE, BLUE, GREEN, RED)),
        ((0, 1, 1, 0), (RED, WHITE, BLUE, GREEN)),
        ((0, -1, -1, 0), (BLUE, GREEN, RED, WHITE)),
    ],
    ids=["upright", "90", "180", "270", "mirrored", "upside-down", "transposed", "transversed"],
)
def test_a_turned_picture_is_brought_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], expected: tuple[tuple[int, ...], ...]
) -> None:
    plain = write_pictures(
        tmp_path / "plain.mp4",
        [quarters()],
        "libx264",
        "yuv444p",
        options={"qp": "0"},
    )
    given = upload(with_matrix(plain, tmp_path / "turned.mp4", *matrix), layout=RGB)
    video = given.offers[0].video
    assert (video.width, video.height) == ((64, 48) if matrix[0] else (48, 64))
    assert near(corners(given.rgb), expected)


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        ({"width": 32}, (32, 24)),
        ({"height": 96}, (128, 96)),
        ({"width": 31}, (31, 24)),
        ({"width": 100, "height": 40, "fit": Fit.FIT_SCALE}, (100, 40)),
        ({"width": 100, "height": 40}, (100, 40)),
        ({"width": 100, "height": 40, "fit": Fit.FIT_CROP}, (100, 40)),
    ],
    ids=["width", "height", "odd-width", "scale", "pad", "crop"],
)
def test_the_size_asked_for_is_reached(tmp_path: Path, wish: dict[str, int], size: tuple[int, int]) -> None:
    video = upload(lossless(tmp_path / "clip.mkv", 2), **wish).offers[0].video
    assert (video.width, video.height) == size


def _fitted(tmp_path: Path, fit: int, layout: PixelLayout, width: int, height: int, ground: str) -> Pixels:
    clip = write_pictures(tmp_path / "clip.mkv", [quarters()], "ffv1", "bgr0")
    return upload(clip, layout=layout, width=width, height=height, fit=fit, background=ground).rgb


@pytest.mark.parametrize("layout", [RGB, I420], ids=["rgb", "i420"])
def test_what_is_padded_is_centred_on_the_background(tmp_path: Path, layout: PixelLayout) -> None:
    rgb = _fitted(tmp_path, Fit.FIT_PAD, layout, 128, 48, "#ff00ff")
    assert near(rgb[24, 4], (255, 0, 255), within=4)
    assert near(rgb[24, 123], (255, 0, 255), within=4)
    assert near([rgb[6, 40], rgb[6, 88], rgb[42, 88], rgb[42, 40]], [RED, GREEN, BLUE, WHITE], within=5)


@pytest.mark.parametrize("layout", [RGB, I420], ids=["rgb", "i420"])
def test_what_is_cropped_keeps_its_middle(tmp_path: Path, layout: PixelLayout) -> None:
    rgb = _fitted(tmp_path, Fit.FIT_CROP, layout, 96, 36, "")
    assert near(corners(rgb), [RED, GREEN, BLUE, WHITE], within=6)
    assert near(rgb[4, 44], RED, within=6)
    assert near(rgb[14, 51], GREEN, within=6)


def test_frames_of_another_size_in_mid_stream_are_brought_to_the_first_ones(tmp_path: Path) -> None:
    first, second = h264(tmp_path / "a.h264", 10), h264(tmp_path / "b.h264", 10, width=32, height=48)
    joined = tmp_path / "joined.h264"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    given = upload(joined, layout=RGB)
    assert given.pixels.shape == (20, 48, 64, 3)
    assert given.source_frames == 20
    assert near(given.pixels[15][:, :14], 0)  # the narrower picture stands in the middle
    assert given.pixels[15][:, 16:48].mean() > 60


def test_interlaced_input_is_told_of_and_left_as_it_is(tmp_path: Path) -> None:
    options = {"x264-params": "tff=1", "preset": "ultrafast"}
    given = upload(h264(tmp_path / "clip.mp4", 5, options=options))
    assert any("interlaced" in notice for notice in given.notices)
    assert len(given.pts) == 5


def test_the_pixel_aspect_is_kept_and_turned_with_the_picture(tmp_path: Path) -> None:
    plain = write_pictures(
        tmp_path / "plain.mp4",
        [picture(0)],
        "libx264",
        "yuv420p",
        tags={"sample_aspect_ratio": Fraction(4, 3)},  # type: ignore[dict-item]
    )
    assert upload(plain).offers[0].video.sample_aspect == Fraction(4, 3)
    turned = with_matrix(plain, tmp_path / "turned.mp4", 0, 1, -1, 0)
    assert upload(turned).offers[0].video.sample_aspect == Fraction(3, 4)
