"""Colours come out as they are, whatever their matrix, range, depth and transparency: SDR BT.709."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.errors import Unimplemented
from reelwire.media import PixelLayout
from reelwire.pixels import convert
from services.preprocess.geometry import Shape
from services.preprocess.picture_graph import PictureGraphs, Target
from tests.services.preprocess.clips import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    near,
    plain_yuv,
    quarters,
    write_pictures,
)
from tests.services.preprocess.running import upload

RGB, I420 = PixelLayout.RGB24, PixelLayout.I420
BT709, BT601, BT2020 = 1, 6, 9
LIMITED, FULL = 1, 2
PQ, HLG = 16, 18


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


@pytest.mark.parametrize("layout", [RGB, I420], ids=["rgb", "i420"])
@pytest.mark.parametrize(
    "name",
    ["yuv411p", "yuv422p10le", "yuv444p16le", "nv12", "p010le", "yuva420p", "gbrpf32le", "bgra", "uyvy422"],
)
def test_pixels_of_any_format_come_out_in_their_colours(name: str, layout: PixelLayout) -> None:
    frame = av.VideoFrame.from_ndarray(quarters(), format="rgb24").reformat(format=name)
    target = Target(64, 48, layout, Shape())
    pixels = PictureGraphs(target).run(frame)
    assert near(corners(convert(pixels, layout, RGB)), [RED, GREEN, BLUE, WHITE], within=8)


def test_a_format_that_ffmpeg_has_no_way_from_is_refused_by_its_name() -> None:
    with pytest.raises(Unimplemented, match="rgb4"):
        PictureGraphs(Target(64, 48, RGB, Shape())).run(av.VideoFrame(64, 48, "rgb4"))


def test_the_transparency_that_webm_keeps_beside_the_picture_is_seen(tmp_path: Path) -> None:
    rgba = np.zeros((48, 64, 4), np.uint8)
    rgba[..., 0], rgba[:24, :, 3] = 255, 255
    clip = write_pictures(tmp_path / "clip.webm", [rgba] * 5, "libvpx-vp9", "yuva420p")
    given = upload(clip, background="#00ff00")
    assert len(given.pts) == 5
    assert all(map(near, corners(given.rgb), [RED, RED, GREEN, GREEN], [8] * 4))
