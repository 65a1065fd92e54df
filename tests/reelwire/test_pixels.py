"""RGB24 and I420: BT.709, the right ranges, any size."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from reelwire.media import PixelLayout, Pixels
from reelwire.pixels import convert, even, pad_to_even, to_video_frame

RGB, I420 = PixelLayout.RGB24, PixelLayout.I420
# Luma, Cb, Cr of BT.709, limited range, computed from Kr = 0.2126, Kb = 0.0722.
COLOURS = {
    "black": ((0, 0, 0), (16, 128, 128)),
    "white": ((255, 255, 255), (235, 128, 128)),
    "red": ((255, 0, 0), (63, 102, 240)),
    "green": ((0, 255, 0), (173, 42, 26)),
    "blue": ((0, 0, 255), (32, 240, 118)),
}


def _flat(rgb: tuple[int, int, int], height: int = 16, width: int = 32) -> Pixels:
    return np.full((height, width, 3), rgb, np.uint8)


@pytest.mark.parametrize("colour", COLOURS)
def test_i420_is_bt709_in_limited_range(colour: str) -> None:
    rgb, (luma, blue, red) = COLOURS[colour]
    planes = convert(_flat(rgb), RGB, I420)
    assert planes.shape == (24, 32)
    assert planes.dtype == np.uint8
    got = (planes[:16], planes[16:20], planes[20:])
    for plane, expected in zip(got, (luma, blue, red), strict=True):
        assert np.abs(plane.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("colour", COLOURS)
def test_there_and_back_keeps_flat_colours(colour: str) -> None:
    rgb = _flat(COLOURS[colour][0])
    back = convert(convert(rgb, RGB, I420), I420, RGB)
    assert np.abs(back.astype(int) - rgb).max() <= 3


def test_the_same_layout_is_not_touched() -> None:
    rgb = _flat((1, 2, 3))
    assert convert(rgb, RGB, RGB) is rgb


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (479, 635), (5, 2)])
def test_odd_sizes_are_padded_right_and_bottom_by_their_edge(height: int, width: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    padded = pad_to_even(rgb)
    assert padded.shape == (even(height), even(width), 3)
    np.testing.assert_array_equal(padded[:height, :width], rgb)
    np.testing.assert_array_equal(padded[-1, :width], rgb[-1])
    np.testing.assert_array_equal(padded[:height, -1], rgb[:, -1])
    assert convert(rgb, RGB, I420).shape == (even(height) * 3 // 2, even(width))


def test_even_sizes_are_not_copied() -> None:
    rgb = _flat((9, 9, 9))
    assert pad_to_even(rgb) is rgb


def test_frames_for_libav_say_what_their_colours_mean() -> None:
    rgb = to_video_frame(_flat((5, 6, 7)), RGB)
    yuv = to_video_frame(convert(_flat((5, 6, 7)), RGB, I420), I420)
    assert (rgb.format.name, yuv.format.name) == ("rgb24", "yuv420p")
    assert rgb.colorspace == yuv.colorspace == Colorspace.ITU709
    assert (rgb.color_range, yuv.color_range) == (ColorRange.JPEG, ColorRange.MPEG)


def test_read_only_and_scattered_pixels_convert_as_others_do() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (16, 64, 3), np.uint8)
    scattered = rgb[:, ::2]
    scattered.flags.writeable = False
    np.testing.assert_array_equal(convert(scattered, RGB, I420), convert(scattered.copy(), RGB, I420))


@pytest.mark.parametrize("width", [2, 6, 34, 636])
def test_widths_that_libav_would_align_come_out_without_padding(width: int) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (4, width, 3), np.uint8)
    planes = convert(rgb, RGB, I420)
    assert planes.shape == (6, width)
    assert convert(planes, I420, RGB).shape == (4, width, 3)
