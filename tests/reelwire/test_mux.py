"""Files: complete or not there, faststart, and refused early where they cannot be."""

from __future__ import annotations

import multiprocessing
import re
import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from reelwire.errors import BadParameter, ResourceExhausted
from reelwire.media import Chunk, Packet, Packets
from reelwire.mux import WAITING_PACKETS, Muxer, container_for
from reelwire.testing import small_video
from reelwire.v1.config_pb2 import StreamConfig
from tests.services.encoder.running import Encoding, picture_offer, pictures, sound_offer, write


def encoding() -> Encoding:
    return Encoding(StreamConfig(), (picture_offer(small_video()),))


def test_an_mp4_has_its_index_in_front(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", encoding(), pictures(10, small_video()))
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".ts"])
def test_metadata_is_in_every_container(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    run = encoding()
    muxer = Muxer(path, run.returns, metadata={"comment": "made by a model"})
    for chunk in run.run(pictures(5, small_video())):
        muxer.write(chunk)
    muxer.finish()
    if ending == ".ts":  # the name of its service, which PyAV does not show
        assert b"made by a model" in path.read_bytes()
        return
    with av.open(str(path)) as container:
        shown = {**container.metadata, **container.streams.video[0].metadata}
    assert "made by a model" in shown.values()


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".webm", ".ts"])
@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001)], ids=["30", "29.97"])
def test_a_file_says_the_rate_of_its_picture(tmp_path: Path, ending: str, rate: Fraction) -> None:
    video = replace(small_video(), time_base=1 / rate, frame_rate=rate)
    config = StreamConfig()
    config.encoder.video.codec = "vp9" if ending == ".webm" else "h264"
    path = write(tmp_path / f"out{ending}", Encoding(config, (picture_offer(video),)), pictures(12, video))
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == rate


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_sound_long_before_the_first_picture_is_all_written_in_step(tmp_path: Path, ending: str) -> None:
    path, count, picture_at = tmp_path / f"out{ending}", WAITING_PACKETS + 100, 2300
    silence = bytes.fromhex("211004608c1c")  # one frame of AAC
    run = Encoding(StreamConfig(), (picture_offer(small_video()), sound_offer()))
    muxer = Muxer(path, run.returns, metadata={})
    for at in range(count):
        muxer.write(Chunk(1, Packets((Packet(at * 1024, at * 1024, 1024, True, silence),))))
    for chunk in run.run(pictures(5, small_video())):
        assert isinstance(chunk.payload, Packets)
        later = [replace(p, pts=p.pts + picture_at, dts=p.dts + picture_at) for p in chunk.payload.packets]
        muxer.write(Chunk(0, Packets(tuple(later))))
    muxer.finish()
    firsts: dict[str, float] = {}
    sounds = 0
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                sounds += packet.stream.type == "audio"
                firsts.setdefault(packet.stream.type, float(packet.pts * packet.time_base))
    assert sounds == count
    assert firsts["video"] - firsts["audio"] == pytest.approx(picture_at / 25, abs=0.002)


def small_files() -> None:
    """No file of this process can grow over 1500 bytes: as a full disk, without one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))


def write_and_abort(path: Path) -> None:
    """More than fits; what went wrong is raised, once the file was given up."""
    run = encoding()
    muxer = Muxer(path, run.returns, metadata={})
    try:
        for chunk in run.run(pictures(50, small_video())):
            muxer.write(chunk)
        muxer.finish()
    except ResourceExhausted as error:
        muxer.abort()
        raise error from None


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(tmp_path: Path, ending: str) -> None:
    # In a process of its own: this one's own output may go to a file.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), small_files) as limited:
        error = limited.submit(write_and_abort, tmp_path / f"out{ending}").exception()
    assert isinstance(error, ResourceExhausted)
    assert re.fullmatch(rf"cannot write .*out{ending}: File too large.*", error.message)
    assert list(tmp_path.iterdir()) == []


def test_an_aborted_file_leaves_nothing(tmp_path: Path) -> None:
    run = encoding()
    muxer = Muxer(tmp_path / "out.mp4", run.returns, metadata={})
    for chunk in run.run(pictures(5, small_video())):
        muxer.write(chunk)
    muxer.abort()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    target.write_text("old")
    run = encoding()
    muxer = Muxer(target, run.returns, metadata={})
    for chunk in run.run(pictures(5, small_video())):
        muxer.write(chunk)
    assert target.read_text() == "old"
    muxer.finish()
    assert target.read_bytes() != b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


def test_an_unknown_ending_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(BadParameter, match=r"\.mkv"):
        container_for(Path("out.gif"))


def test_a_codec_that_the_container_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="webm does not take h264"):
        Muxer(tmp_path / "out.webm", encoding().returns, metadata={})
    assert list(tmp_path.iterdir()) == []
