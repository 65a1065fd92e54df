"""Frames over a limit are refused by the name of the setting, before anything is allocated for them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from reelwire.errors import DataLoss, TooLarge
from reelwire.media import PixelLayout
from reelwire.settings import Settings
from reelwire.testing import picture
from tests.services.preprocess.clips import (
    h264,
    lossless,
    write_pictures,
)
from tests.services.preprocess.running import upload

RGB, I420 = PixelLayout.RGB24, PixelLayout.I420


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
