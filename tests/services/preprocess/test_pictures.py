"""Pictures come out upright, in SDR BT.709, at the size that was asked for."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.errors import DataLoss, TooLarge
from reelwire.media import PixelLayout, Pixels
from reelwire.settings import Settings
from reelwire.testing import picture
from reelwire.v1.config_pb2 import Fit
from tests.services.preprocess.clips import (
    corners,
    h264,
    lossless,
    plain_yuv,
    quarters,
    with_matrix,
    write_pictures,
)
from tests.services.preprocess.running import upload

RGB, I420 = PixelLayout.RGB24, PixelLayout.I420
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
BT709, BT601, BT2020 = 1, 6, 9
LIMITED, FULL = 1, 2
PQ, HLG, BT2020_SDR = 16, 18, 14


def near(got: object, expected: object, within: int = 3) -> bool:
    return bool(np.all(np.abs(np.asarray(got, int) - np.asarray(expected, int)) <= within))


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


@pytest.mark.parametrize("layout", [RGB, I420], ids=["rgb", "i420"])
@pytest.mark.parametrize(
    ("yuv", "matrix", "range_", "expected"),
    [
        ((63, 102, 240), BT709, LIMITED, (255, 0, 0)),
        ((54, 99, 255), BT709, FULL, (255, 0, 0)),
        ((81, 90, 240), BT601, LIMITED, (255, 0, 0)),
        ((145, 54, 34), BT601, LIMITED, (0, 255, 0)),
        ((173, 42, 26), BT709, LIMITED, (0, 255, 0)),
        ((74, 97, 240), BT2020, LIMITED, (255, 0, 0)),
        ((16, 128, 128), BT709, LIMITED, (0, 0, 0)),
        ((235, 128, 128), BT709, LIMITED, (255, 255, 255)),
        ((128, 128, 128), BT709, FULL, (128, 128, 128)),
    ],
)
def test_colours_of_any_matrix_and_range_come_out_as_they_are(
    tmp_path: Path,
    yuv: tuple[int, int, int],
    matrix: int,
    range_: int,
    expected: tuple[int, int, int],
    layout: PixelLayout,
) -> None:
    clip = write_pictures(
        tmp_path / "clip.mkv",
        [plain_yuv(*yuv)],
        "ffv1",
        "yuv444p",
        tags={"colorspace": matrix, "color_range": range_},
    )
    assert near(upload(clip, layout=layout).rgb[20, 30], expected, within=4)


@pytest.mark.parametrize(("height", "yuv"), [(48, (81, 90, 240)), (720, (63, 102, 240))], ids=["sd", "hd"])
def test_untagged_colour_is_601_when_small_and_709_when_large(
    tmp_path: Path, height: int, yuv: tuple[int, int, int]
) -> None:
    clip = write_pictures(
        tmp_path / "clip.mkv", [plain_yuv(*yuv, width=64, height=height)], "ffv1", "yuv444p"
    )
    assert near(upload(clip, layout=RGB).rgb[20, 30], RED, within=4)


def _hdr(tmp_path: Path, transfer: int) -> Path:
    tags = {"colorspace": BT2020, "color_range": LIMITED, "color_trc": transfer, "color_primaries": BT2020}
    ramp = np.repeat(np.linspace(64, 940, 64).astype(np.uint16)[None], 48, 0)
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    for plane, values in zip(
        frame.planes, (ramp, np.full((24, 32), 512), np.full((24, 32), 512)), strict=True
    ):
        rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    options = {"x265-params": "lossless=1:log-level=none:pools=none"}
    return write_pictures(tmp_path / "hdr.mkv", [frame], "libx265", "yuv420p10le", options=options, tags=tags)


@pytest.mark.slow
@pytest.mark.parametrize("transfer", [PQ, HLG], ids=["PQ", "HLG"])
def test_hdr_is_mapped_to_sdr_and_neither_clipped_nor_left_dull(tmp_path: Path, transfer: int) -> None:
    """A grey ramp stays grey, rises all the way, and what a plain conversion would leave dark is lit."""
    row = upload(_hdr(tmp_path, transfer), layout=RGB).rgb[24].astype(int)
    assert np.abs(row - row.mean(axis=1, keepdims=True)).max() <= 3
    light = row[:, 1]
    assert (np.diff(light) >= 0).all()
    assert light[0] <= 2
    assert light[-1] >= 235
    assert len(np.unique(light[:48])) >= 30


@pytest.mark.parametrize("layout", [RGB, I420], ids=["rgb", "i420"])
@pytest.mark.parametrize(
    ("background", "through"), [("", (0, 0, 0)), ("#00ff00", GREEN)], ids=["black", "green"]
)
def test_transparent_pixels_show_the_background(
    tmp_path: Path, background: str, through: tuple[int, int, int], layout: PixelLayout
) -> None:
    rgba = np.zeros((48, 64, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[:, 20:40, 3] = 128
    rgba[:, 40:, 3] = 255
    clip = write_pictures(tmp_path / "clip.mov", [rgba], "qtrle", "argb")
    row = upload(clip, layout=layout, background=background).rgb[20]
    assert near(row[8], through)
    assert near(row[30], (np.array((200, 0, 0)) + through) // 2)
    assert near(row[52], (200, 0, 0), within=5)


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


def test_a_frame_over_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    clip = h264(tmp_path / "clip.mp4", 2, width=640, height=480)
    with pytest.raises(TooLarge, match="REELWIRE_MAX_FRAME_PIXELS"):
        upload(clip, settings=Settings(max_frame_pixels=640 * 479))


def _png_of_claimed_size(path: Path, width: int, height: int) -> Path:
    """A small PNG whose header chunk, with a right checksum, claims another size."""
    data = bytearray(write_pictures(path, [picture(0)], "png", "rgb24").read_bytes())
    at = data.index(b"IHDR")
    data[at + 4 : at + 12] = struct.pack(">II", width, height)
    data[at + 17 : at + 21] = struct.pack(">I", zlib.crc32(data[at : at + 17]))
    path.write_bytes(data)
    return path


def test_a_header_that_claims_8192x8192_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="REELWIRE_MAX_FRAME_PIXELS"):
        upload(_png_of_claimed_size(tmp_path / "bomb.png", 8192, 8192))


def test_a_size_that_only_the_container_tells_is_refused_too(tmp_path: Path) -> None:
    clip = lossless(tmp_path / "clip.mkv", 2)
    with pytest.raises(DataLoss, match="REELWIRE_MAX_FRAME_PIXELS"):
        upload(clip, settings=Settings(max_frame_pixels=64 * 47))


def test_frames_that_grow_over_the_limit_in_mid_stream_fail_and_are_counted(tmp_path: Path) -> None:
    first, second = h264(tmp_path / "a.h264", 10), h264(tmp_path / "b.h264", 10, width=640, height=480)
    joined = tmp_path / "joined.h264"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    given = upload(joined, settings=Settings(max_frame_pixels=320 * 240))
    assert len(given.pts) == 10
    assert given.source_frames > 10


def test_a_frame_that_fits_no_message_is_refused_by_the_name_of_the_setting(tmp_path: Path) -> None:
    clip = h264(tmp_path / "clip.mp4", 2, width=1280, height=720)
    settings = Settings(max_message_bytes=1 << 20)
    with pytest.raises(TooLarge, match="REELWIRE_MAX_MESSAGE_BYTES"):
        upload(clip, settings=settings)
    assert upload(clip, settings=settings, width=640).offers[0].layouts == (I420, RGB)


def test_only_the_layout_that_fits_a_message_is_offered(tmp_path: Path) -> None:
    clip = h264(tmp_path / "clip.mp4", 2, width=800, height=600)
    assert upload(clip, settings=Settings(max_message_bytes=1 << 20)).offers[0].layouts == (I420,)
