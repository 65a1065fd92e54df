"""Damaged input: every frame is accounted for, and what cannot be used ends in one clear line."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.errors import DataLoss, InputDamaged, ReelwireError, TooLarge
from reelwire.media import DropReason
from reelwire.settings import Settings
from reelwire.testing import write_clip
from tests.services.preprocess.clips import h264, lossless, sine, wav
from tests.services.preprocess.running import upload


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Place in the file and size of each packet of the first stream."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(container.streams[0]) if packet.size]


def test_packets_that_the_decoder_refuses_are_counted_as_failed(tmp_path: Path) -> None:
    clip = lossless(tmp_path / "clip.mkv", 10)
    data, places = bytearray(clip.read_bytes()), packets_of(clip)
    position, size = places[4]
    at = data.index(bytes(data[position : position + 4]), position)
    data[at + size // 4 : at + size] = bytes(len(data[at + size // 4 : at + size]))
    clip.write_bytes(data)
    given = upload(clip)
    assert given.source_frames == 10
    assert len(given.pts) + given.count(DropReason.UNDECODABLE) == 10


def test_garbage_packets_between_good_ones_are_refused_with_their_pts(tmp_path: Path) -> None:
    """A stream of single pictures: each packet stands alone, so exactly the broken ones are refused."""
    clip = tmp_path / "clip.avi"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 20, np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                if index in (5, 6, 9):
                    broken = av.Packet(b"\x00" * packet.size)
                    broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                    broken.stream, broken.is_keyframe = stream, True
                    container.mux(broken)
                else:
                    container.mux(packet)
    given = upload(clip)
    assert given.source_frames == 12
    assert given.pts == [0, 1, 2, 3, 4, 7, 8, 10, 11]
    assert [(each.first_pts, each.last_pts, each.count) for each in given.dropped] == [(5, 6, 2), (9, 9, 1)]
    assert {each.reason for each in given.dropped} == {DropReason.UNDECODABLE}


def test_frames_that_the_decoder_flags_are_used_and_counted_as_damaged(tmp_path: Path) -> None:
    clip = h264(tmp_path / "clip.h264", 40, options={"g": "100"})
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(value ^ 0x55 for value in data[middle : middle + 40])
    clip.write_bytes(data)
    given = upload(clip)
    assert given.source_frames == 40
    assert given.damaged_frames > 0
    assert any("damaged" in notice for notice in given.notices)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_off_in_the_middle_is_used_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    clip = h264(tmp_path / "clip.mkv", 100)
    clip.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * share)])
    given = upload(clip)
    assert 0 < len(given.pts) < 100


def _truncated(path: Path) -> Path:
    write_clip(path, 25)
    path.write_bytes(path.read_bytes()[:-2000])  # the index is at the end
    return path


def _text(path: Path) -> Path:
    path.write_text("this is not a film\n" * 100)
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def _no_frames(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def _subtitles(path: Path) -> Path:
    path = path.with_suffix(".srt")
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    return path


def _lying_index(path: Path) -> Path:
    data = bytearray(write_clip(path, 25).read_bytes())
    at = data.index(b"moov")
    data[at - 4 : at] = struct.pack(">I", 0x7FFFFFFF)
    path.write_bytes(data[: at + 200])
    return path


@pytest.mark.parametrize("make", [_truncated, _text, _empty, _no_frames, _subtitles, _lying_index])
def test_input_that_cannot_be_used_at_all_ends_in_one_line_with_its_name(
    tmp_path: Path, make: object
) -> None:
    path = make(tmp_path / "broken.mp4")  # type: ignore[operator]
    with pytest.raises(InputDamaged) as raised:
        upload(path)
    assert path.name in raised.value.message
    assert "\n" not in raised.value.message
    assert isinstance(raised.value, DataLoss)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_random_damage_never_does_more_than_fail_the_stream(tmp_path: Path, ending: str, seed: int) -> None:
    clip = write_clip(tmp_path / f"clip.{ending}", 12)
    data, random = bytearray(clip.read_bytes()), np.random.default_rng(seed)
    for at in random.integers(0, len(data), 8):
        data[at] = random.integers(256)
    clip.write_bytes(data[: len(data) if seed % 3 else random.integers(1, len(data))])
    outcome = _outcome(clip)
    assert outcome in ("OK", "DATA_LOSS", "RESOURCE_EXHAUSTED")


def _outcome(clip: Path) -> str:
    """Anything but a ReelwireError, or pts that do not rise, fails the test."""
    try:
        pts = upload(clip).pts
    except ReelwireError as error:
        return error.code
    return "OK" if pts == sorted(set(pts)) else f"pts do not rise: {pts}"


def test_metadata_that_is_not_utf8_does_not_matter(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    with av.open(str(clip), "w") as container:
        container.metadata["title"] = "XXXXXXXX"
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        container.mux(stream.encode(av.VideoFrame(64, 48, "bgr0")))
        container.mux(stream.encode())
    clip.write_bytes(clip.read_bytes().replace(b"XXXXXXXX", b"\xff\xfe\xa2\xa2\xff\xff\xff\xff"))
    assert len(upload(clip).pts) == 1


def test_an_input_over_the_longest_duration_is_refused_from_its_header(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match=r"2\.000 s long.*REELWIRE_MAX_DURATION_S"):
        upload(h264(tmp_path / "clip.mp4", 50), settings=Settings(max_duration_s=1.9))


def test_an_input_that_lies_about_its_duration_is_refused_when_it_goes_beyond(tmp_path: Path) -> None:
    """A raw stream has no header that could tell."""
    clip = h264(tmp_path / "clip.h264", 50)
    with pytest.raises(TooLarge, match="REELWIRE_MAX_DURATION_S"):
        upload(clip, settings=Settings(max_duration_s=1.0))


def test_an_upload_leaves_no_file_behind_after_an_error(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    with pytest.raises(InputDamaged):
        upload(_text(tmp_path / "clip.mp4"), settings=Settings(spool_dir=spool))
    assert list(spool.iterdir()) == []


def test_sound_that_cannot_be_decoded_is_told_of(tmp_path: Path) -> None:
    clip = wav(tmp_path / "sound.wav", sine(0.5))
    data = bytearray(clip.read_bytes())
    at = data.index(b"fmt ") + 8
    data[at : at + 2] = struct.pack("<H", 0x7777)  # no such codec
    clip.write_bytes(data)
    with pytest.raises(InputDamaged, match=r"sound\.wav"):
        upload(clip)
