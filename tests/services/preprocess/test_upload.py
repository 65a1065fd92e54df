"""An upload becomes frames and sound, from 0 on, whole and in step."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.errors import BadParameter, TooLarge
from reelwire.media import (
    Chunk,
    ContainerBytes,
    Dropped,
    DropReason,
    Frames,
    PacketFormat,
    PayloadKind,
    PixelLayout,
    Sound,
)
from reelwire.settings import Settings
from reelwire.testing import picture, write_clip
from services.preprocess.sounds import CHUNK_SAMPLES
from tests.services.preprocess.clips import h264, lossless, write_pictures
from tests.services.preprocess.running import UPLOAD, run_stage, seconds, stream_config, upload

BUNNY = Path(__file__).parents[3] / "assets" / "bigbuckbunny.mp4"


def test_a_real_clip_gives_all_its_frames_and_sound_in_step() -> None:
    given = upload(BUNNY, chunk_frames=4)
    assert given.source_frames == 132
    assert given.pts == [512 * index for index in range(132)]
    assert given.offers[0].video.time_base == Fraction(1, 12800)
    assert given.offers[0].expected_frames == 132
    assert len(given.samples) == 254_976
    assert given.sounds[0].pts == 0
    assert given.notices == []


def test_pixels_of_lossless_rgb_come_out_unchanged(tmp_path: Path) -> None:
    given = upload(lossless(tmp_path / "clip.mkv"), layout=PixelLayout.RGB24)
    assert all(np.array_equal(pixels, picture(index)) for index, pixels in enumerate(given.pixels))


@pytest.mark.parametrize("chunk_frames", [3, 7, 24])
def test_what_comes_out_does_not_depend_on_the_size_of_chunks(tmp_path: Path, chunk_frames: int) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 50)
    config = {"rate": "30", "width": 40, "start_s": 0.3, "duration_s": 1.1}
    one, many = upload(clip, **config), upload(clip, chunk_frames=chunk_frames, **config)
    assert {len(frames) for frames in many.frames[:-1]} == {chunk_frames}
    assert one.pts == many.pts
    assert one.pixels.tobytes() == many.pixels.tobytes()
    assert one.samples.tobytes() == many.samples.tobytes()
    assert [sound.pts for sound in one.sounds] == [sound.pts for sound in many.sounds]
    assert one.made == many.made
    assert {reason: one.count(reason) for reason in DropReason} == {
        reason: many.count(reason) for reason in DropReason
    }


def test_frames_come_before_all_sound_was_read(tmp_path: Path) -> None:
    kinds = [type(chunk.payload) for chunk in upload(write_clip(tmp_path / "clip.mp4", 50)).chunks]
    assert kinds.index(Frames) < 30
    assert kinds.index(Sound) < 30
    assert Frames in kinds[-10:]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_time_begins_at_0_whatever_the_container_says_and_stays_in_step(tmp_path: Path, ending: str) -> None:
    """The picture begins 0.2 s after the sound, at an hour of the container's time."""
    clip = tmp_path / f"clip.{ending}"
    with av.open(str(clip), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.options = {"preset": "ultrafast"}
        sound = container.add_stream("ac3", rate=48000, layout="mono")
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame.pts, frame.time_base = 90_000 + 5 + index, Fraction(1, 25)
            container.mux(video.encode(frame))
        for index in range(31):
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1536), np.float32), format="fltp", layout="mono")
            tone.sample_rate, tone.pts, tone.time_base = (
                48000,
                3600 * 48000 + index * 1536,
                Fraction(1, 48000),
            )
            container.mux(sound.encode(tone))
        container.mux(video.encode())
        container.mux(sound.encode())
    given = upload(clip)
    shown, heard = seconds(given), given.sounds[0].pts / 48000
    assert min(float(shown[0]), heard) == 0
    assert float(shown[0]) - heard == pytest.approx(0.2 + 256 / 48000, abs=0.006)  # AC-3 primes 256 samples
    tick = given.offers[0].video.time_base
    assert all(abs(at - shown[0] - Fraction(index, 25)) <= tick for index, at in enumerate(shown))


def test_a_variable_frame_rate_keeps_every_pts_exactly(tmp_path: Path) -> None:
    times = [0, 1001, 2002, 9000, 9001, 20_000, 90_000]
    clip = h264(tmp_path / "clip.mp4", len(times), pts=times, time_base=Fraction(1, 30_000))
    given = upload(clip)
    assert seconds(given) == [Fraction(time, 30_000) for time in times]


def test_frames_that_were_reordered_for_encoding_come_in_order_of_display(tmp_path: Path) -> None:
    clip = h264(tmp_path / "clip.mp4", 30, options={"preset": "medium", "bf": "3"})
    assert seconds(upload(clip)) == [Fraction(index, 25) for index in range(30)]


def test_sound_comes_in_chunks_of_one_size_without_a_gap(tmp_path: Path) -> None:
    sounds = upload(write_clip(tmp_path / "clip.mkv", 25)).sounds
    assert {len(sound.samples) for sound in sounds[:-1]} == {CHUNK_SAMPLES}
    assert [sound.pts for sound in sounds] == [CHUNK_SAMPLES * index for index in range(len(sounds))]
    assert sounds[0].samples.dtype == np.float32


def test_muted_input_has_no_sound_track(tmp_path: Path) -> None:
    given = upload(write_clip(tmp_path / "clip.mp4"), mute=True)
    assert [offer.kind for offer in given.offers] == [PayloadKind.FRAMES]
    assert given.sounds == []


def test_sound_is_passed_through_with_its_packets_and_codec_configuration(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    given = upload(clip, sound_passthrough=True)
    with av.open(str(clip)) as container:
        stream = container.streams.audio[0]
        expected = [bytes(packet) for packet in container.demux(stream) if packet.size]
        extradata = stream.codec_context.extradata
    format_ = given.offers[1].format
    assert isinstance(format_, PacketFormat)
    assert (format_.codec, format_.extradata) == ("aac", extradata)
    assert [bytes(packet.data) for packet in given.packets] == expected
    assert [packet.pts for packet in given.packets[:3]] == [-1024, 0, 1024]


def test_the_part_asked_for_is_kept_to_the_frame_and_the_sample(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 100)
    given = upload(clip, start_s=1.0, duration_s=2.0)
    whole = upload(clip)
    assert seconds(given) == [Fraction(index, 25) for index in range(25, 75)]
    assert np.array_equal(given.pixels, whole.pixels[25:75])
    assert given.sounds[0].pts == 48_000
    assert len(given.samples) == 96_000
    assert given.count(DropReason.TRIMMED) == given.source_frames - 50


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("start", [0, 12, 25, 240, 290])
def test_a_start_is_reached_by_seeking_and_not_by_decoding_everything(
    tmp_path: Path, start: int, ending: str
) -> None:
    clip = h264(tmp_path / f"clip{ending}", 300, options={"preset": "veryfast", "g": "25"})
    given = upload(clip, start_s=start / 25)
    assert seconds(given) == [Fraction(index, 25) for index in range(start, 300)]
    assert given.source_frames <= 300 - start + 51


def test_a_start_is_found_by_counting_where_the_container_knows_no_times(tmp_path: Path) -> None:
    clip = h264(tmp_path / "clip.h264", 100)
    given = upload(clip, start_s=1.0, duration_s=1.0)
    assert seconds(given) == [Fraction(index, 25) for index in range(25, 50)]


@pytest.mark.parametrize(
    ("rate", "out", "made", "dropped"),
    [("50", 100, 50, 0), ("25", 50, 0, 0), ("10", 20, 0, 30)],
    ids=["up", "same", "down"],
)
def test_a_constant_rate_repeats_and_drops_and_accounts_for_it(
    tmp_path: Path, rate: str, out: int, made: int, dropped: int
) -> None:
    given = upload(h264(tmp_path / "clip.mp4", 50), rate=rate)
    assert given.pts == list(range(out))
    assert given.frames[0].format.time_base == 1 / Fraction(rate)
    assert given.made == made
    assert given.count(DropReason.RATE) == dropped


def test_an_upload_over_the_limit_is_refused_while_it_comes_and_leaves_no_file(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    settings = Settings(spool_dir=spool, max_upload_bytes=20_000)
    config = stream_config()
    config.input.upload.name = "clip.mp4"
    with pytest.raises(TooLarge, match="REELWIRE_MAX_UPLOAD_BYTES"):
        run_stage(
            config, UPLOAD, (Chunk(0, ContainerBytes(bytes(9_000))) for _ in range(3)), settings=settings
        )
    assert list(spool.iterdir()) == []


def test_an_upload_announced_as_over_the_limit_is_refused_at_once() -> None:
    config = stream_config()
    config.input.upload.size_bytes = 20_001
    with pytest.raises(TooLarge, match="REELWIRE_MAX_UPLOAD_BYTES"):
        run_stage(config, UPLOAD, settings=Settings(max_upload_bytes=20_000))


def test_a_picture_file_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    clip = write_pictures(tmp_path / "still.png", [picture(3)], "png", "rgb24")
    given = upload(clip, layout=PixelLayout.RGB24)
    assert np.array_equal(given.pixels, picture(3)[None])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "fast"),
        ("rate", "0"),
        ("rate", "30/0"),
        ("background", "red"),
        ("width", -1),
        ("height", 8193),
        ("fit", 9),
        ("start_s", -1.0),
        ("duration_s", float("nan")),
        ("sound_picture", 7),
    ],
)
def test_a_wish_that_cannot_be_is_refused_by_its_name(name: str, value: object) -> None:
    config = stream_config(**{name: value})
    config.input.url = "testsrc:"
    with pytest.raises(BadParameter, match=name):
        run_stage(config)


def test_drops_of_one_reason_are_told_as_one(tmp_path: Path) -> None:
    given = upload(h264(tmp_path / "clip.mp4", 25), start_s=0.4)
    assert given.dropped == [Dropped(10, DropReason.TRIMMED, 0, 9 * 512)]
