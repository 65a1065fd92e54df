"""The encoder: every frame becomes a packet with its own pts; what cannot be is refused by name."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire import metrics
from reelwire.errors import BadParameter, CodecMissing
from reelwire.media import PacketFormat, PayloadKind, PixelLayout, VideoFormat
from reelwire.testing import small_video
from reelwire.v1.config_pb2 import PinnedModel, Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Control
from services.encoder.codecs import KINDS
from services.encoder.listing import list_formats
from tests.services.encoder.running import (
    Encoding,
    bytes_of,
    clicks,
    heard,
    packets_of,
    picture_offer,
    pictures,
    seconds_of,
    sound_offer,
    write,
)

SOFTWARE = [kind.codec for kind in KINDS if not kind.hardware]
MUXED = (".mkv", ".mp4", ".ts")


def config(codec: str = "", *, live: bool = False, container: str = "") -> StreamConfig:
    made = StreamConfig()
    made.encoder.video.codec = codec
    made.encoder.container = container
    if live:
        made.policy = Policy.POLICY_LIVE
    return made


def odd_video(time_base: Fraction = Fraction(1, 25)) -> VideoFormat:
    return VideoFormat(128, 96, time_base, PixelLayout.I420, Fraction(25))


@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
@pytest.mark.parametrize("codec", SOFTWARE)
def test_every_frame_comes_out_once_with_its_own_pts(codec: str, live: bool) -> None:
    video = odd_video(Fraction(1, 90_000))
    encoding = Encoding(config(codec, live=live), (picture_offer(video),))
    given = packets_of(encoding.run(pictures(40, video, pts_step=3607)))
    assert sorted(packet.pts for packet in given) == [3607 * index for index in range(40)]
    assert [packet.dts for packet in given] == sorted(packet.dts for packet in given)
    assert given[0].keyframe
    assert encoding.opened.hold_frames == 0 if live else encoding.opened.hold_frames >= 0


@pytest.mark.parametrize("codec", SOFTWARE)
def test_packets_do_not_depend_on_how_frames_were_cut_into_chunks(codec: str) -> None:
    video = odd_video()
    runs = [
        packets_of(
            Encoding(config(codec), (picture_offer(video),)).run(
                pictures(30, video, chunk_frames=chunk_frames)
            )
        )
        for chunk_frames in (1, 3, 7, 24)
    ]
    assert runs[0] == runs[1] == runs[2] == runs[3]


@pytest.mark.parametrize("codec", ["aac", "opus"])
def test_sound_does_not_depend_on_how_it_was_cut(codec: str) -> None:
    runs = []
    for piece in (333, 1000, 4800):
        asked = config()
        asked.encoder.sound.codec = codec
        offer = sound_offer(2, 44_100)
        runs.append(packets_of(Encoding(asked, (offer,)).run(clicks(1.0, offer, piece=piece)), 1))
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize("time_base", [Fraction(1, 25), Fraction(1001, 30_000), Fraction(1, 1_000_000)])
@pytest.mark.parametrize("ending", MUXED)
def test_variable_frame_rate_survives_in_every_container(
    tmp_path: Path, ending: str, time_base: Fraction
) -> None:
    video = odd_video(time_base)
    encoding = Encoding(config(), (picture_offer(video),))
    step = max(1, round(Fraction(1, 25) / time_base))
    chunks = pictures(20, video, pts_step=step)
    pts = [index * step + (index % 3 if step > 3 else index // 7) for index in range(20)]
    for index, chunk in enumerate(chunks):
        frames = chunk.payload
        chunks[index] = type(chunk)(0, type(frames)(video, (pts[index] + 5,), frames.pixels))  # type: ignore
    path = write(tmp_path / f"out{ending}", encoding, chunks)
    with av.open(str(path)) as container:
        half_tick = Fraction(container.streams.video[0].time_base) / 2
    times = seconds_of(path)
    for index, time in enumerate(times):
        assert abs((time - times[0]) - (pts[index] - pts[0]) * time_base) <= half_tick
    assert len(times) == 20


@pytest.mark.parametrize("codec", ["aac", "opus"])
@pytest.mark.parametrize("ending", MUXED)
def test_sound_stays_in_step_with_the_picture(tmp_path: Path, ending: str, codec: str) -> None:
    video, sound = odd_video(), sound_offer()
    asked = config()
    asked.encoder.sound.codec = codec
    encoding = Encoding(asked, (picture_offer(video), sound))
    path = write(tmp_path / f"out{ending}", encoding, pictures(75, video) + clicks(3.0, sound))
    start, samples = heard(path)
    picture_start = float(seconds_of(path)[0])
    for expected in (0.5, 2.5):
        at = expected - (start - picture_start)
        window = samples[int((at - 0.1) * 48_000) : int((at + 0.1) * 48_000)]
        found = np.argmax(np.abs(window) > 0.2) / 48_000 - 0.1
        assert abs(found) < 0.02, f"click at {expected} s is {found * 1000:.1f} ms off"
    with av.open(str(path)) as container:
        assert abs(container.duration / av.time_base - 3.0) < 0.1


def test_a_gap_in_the_sound_is_filled_with_silence(tmp_path: Path) -> None:
    sound = sound_offer()
    chunks = clicks(1.0, sound) + clicks(1.0, sound, first_pts=2 * 48_000)
    path = write(tmp_path / "out.mkv", Encoding(config(), (sound,)), chunks)
    samples = heard(path)[1]
    assert abs(len(samples) / 48_000 - 3.0) < 0.1
    assert np.abs(samples[int(1.2 * 48_000) : int(1.8 * 48_000)]).max() < 0.01


def test_a_keyframe_is_made_where_one_is_asked_for() -> None:
    video = odd_video()
    for codec in SOFTWARE:
        encoding = Encoding(config(codec), (picture_offer(video),))
        encoding.opened.stage.control(Control(stage="encoder", from_pts=12, keyframe=True))
        chunks = pictures(20, video)
        chunks[5] = type(chunks[5])(0, chunks[5].payload, keyframes=(0,))
        keys = [packet.pts for packet in packets_of(encoding.run(chunks)) if packet.keyframe]
        assert {5, 12} <= set(keys), codec


@pytest.mark.parametrize("name", ["mp4", "mpegts", "matroska", "webm"])
def test_a_streamable_container_is_given_as_bytes_and_decodes(name: str) -> None:
    video, sound = odd_video(), sound_offer()
    asked = config("vp9" if name == "webm" else "h264", container=name)
    encoding = Encoding(asked, (picture_offer(video), sound))
    assert [offer.kind for offer in encoding.returns] == [PayloadKind.CONTAINER_BYTES]
    chunks = encoding.run(pictures(30, video) + clicks(1.2, sound))
    assert sum(chunk.frame_count for chunk in chunks) == 30, "the accounts count pictures"
    with av.open(io.BytesIO(bytes_of(chunks))) as container:
        assert sum(1 for _ in container.decode(video=0)) == 30
    with av.open(io.BytesIO(bytes_of(chunks))) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 1.1 * 48_000


def test_what_models_did_is_marked_unless_it_is_omitted() -> None:
    model = PinnedModel(stage="generator", name="restyle", version="1", sha256="ab" * 32)
    for omit in (False, True):
        asked = config(container="matroska")
        asked.models.append(model)
        asked.encoder.omit_provenance = omit
        encoding = Encoding(asked, (picture_offer(odd_video()),))
        data = bytes_of(encoding.run(pictures(3, odd_video())))
        with av.open(io.BytesIO(data)) as container:
            marked = any("restyle 1" in value for value in container.metadata.values())
        assert marked is not omit


def test_rgb_of_odd_size_is_padded_to_even() -> None:
    video = small_video(65, 49)
    encoding = Encoding(config(), (picture_offer(video),))
    format_ = encoding.returns[0].format
    assert isinstance(format_, PacketFormat)
    assert format_.video is not None
    assert (format_.video.width, format_.video.height) == (66, 50)
    assert len(packets_of(encoding.run(pictures(5, video)))) == 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codec": "h265"}, "did you mean"),
        ({"preset": "fastest"}, "preset of libx264"),
        ({"quality": 99}, "expected 0 to 51"),
        ({"bitrate_bps": 5}, "expected 10000"),
        ({"gop_frames": -1}, "expected 1 to 1000"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(change: dict[str, object], words: str) -> None:
    asked = config()
    for name, value in change.items():
        setattr(asked.encoder.video, name, value)
    with pytest.raises(BadParameter, match=words):
        Encoding(asked, (picture_offer(odd_video()),))


def test_a_wrong_container_is_refused_before_anything_starts() -> None:
    with pytest.raises(BadParameter, match="streamable container"):
        Encoding(config(container="avi"), (picture_offer(odd_video()),))
    with pytest.raises(BadParameter, match="webm does not take h264"):
        Encoding(config("h264", container="webm"), (picture_offer(odd_video()),))


def test_hardware_that_does_not_open_is_refused_with_the_reason() -> None:
    listed = {codec.encoder: codec for codec in list_formats(2).codecs}
    if listed["h264_nvenc"].usable:
        pytest.skip("this machine has a working NVENC")
    assert listed["h264_nvenc"].problem
    with pytest.raises(CodecMissing, match="h264_nvenc"):
        Encoding(config("h264_nvenc"), (picture_offer(odd_video()),))


def test_the_list_says_what_is_usable_and_how_many_frames_it_holds() -> None:
    answer = list_formats(2)
    listed = {codec.encoder: codec for codec in answer.codecs}
    assert all(listed[kind.encoder].usable for kind in KINDS if not kind.hardware)
    assert listed["libx264"].lag_frames > 0
    assert [codec.codec for codec in answer.codecs if codec.is_default] == ["h264", "aac"]
    webm = next(each for each in answer.containers if each.container == "webm")
    assert "vp9" in webm.codecs
    assert "h264" not in webm.codecs


def test_bit_rate_and_offset_are_measured() -> None:
    video, sound = odd_video(), sound_offer()
    Encoding(config(), (picture_offer(video), sound)).run(pictures(30, video) + clicks(1.2, sound))
    sample = metrics.REGISTRY.get_sample_value
    assert (sample("reelwire_encoder_bitrate_bps", {"codec": "h264"}) or 0) > 0
    offset = sample("reelwire_av_offset_seconds", {"stage": "encoder"})
    assert offset is not None
    assert abs(offset) < 0.5


def test_odd_sizes_are_padded_and_the_caller_is_told() -> None:
    odd = Encoding(StreamConfig(), (picture_offer(small_video(63, 47)),))
    assert odd.notices == ["63x47 is padded right and bottom to 64x48 for 4:2:0"]
    assert Encoding(StreamConfig(), (picture_offer(small_video()),)).notices == []
