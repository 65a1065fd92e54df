"""Sound keeps its rate, its channels and its place; an input that is only sound gets a picture."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.errors import BadParameter, TooLarge
from reelwire.media import Frames, PayloadKind, PixelLayout, Sound, SoundFormat
from reelwire.v1.config_pb2 import SoundPicture
from services.preprocess.sounds import SoundPlan, SoundTrack
from services.preprocess.span import Span
from tests.services.preprocess.clips import sine, wav
from tests.services.preprocess.running import seconds, upload

MONO = SoundFormat(48_000, "mono", 1, Fraction(1, 48_000))


def audio_frame(samples: np.ndarray, rate: int = 48_000, layout: str = "mono") -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples, np.float32).reshape(1, -1), format="flt", layout=layout
    )
    frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
    return frame


def track(source: Fraction = Fraction(1, 48_000), span: Span | None = None) -> SoundTrack:
    return SoundTrack(SoundPlan(1, source, MONO, span or Span()))


def run(sounds: SoundTrack, pieces: list[tuple[int | None, np.ndarray]]) -> list[Sound]:
    chunks = [chunk for pts, samples in pieces for chunk in sounds.add(audio_frame(samples), pts)]
    payloads = [chunk.payload for chunk in [*chunks, *sounds.flush()]]
    assert all(isinstance(payload, Sound) for payload in payloads)
    return payloads  # type: ignore[return-value]


def ramp(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float32) / 100_000


def test_samples_come_out_bit_for_bit_whatever_the_pieces() -> None:
    whole = ramp(0, 5000)
    pieces = [(at, whole[at : at + 700]) for at in range(0, 5000, 700)]
    sounds = run(track(), pieces)
    assert np.array_equal(np.concatenate([sound.samples[:, 0] for sound in sounds]), whole)
    assert [len(sound.samples) for sound in sounds] == [1024, 1024, 1024, 1024, 904]


def test_a_gap_stays_a_gap() -> None:
    sounds = run(track(), [(0, ramp(0, 1000)), (48_000, ramp(0, 1000))])
    assert [(sound.pts, len(sound.samples)) for sound in sounds] == [(0, 1000), (48_000, 1000)]


def test_sound_that_comes_twice_is_cut() -> None:
    sounds = run(track(), [(0, ramp(0, 2000)), (1000, ramp(1000, 2000))])
    assert np.array_equal(np.concatenate([sound.samples[:, 0] for sound in sounds]), ramp(0, 3000))


def test_pts_that_were_rounded_to_milliseconds_leave_neither_gap_nor_cut() -> None:
    pieces = [(round(index * 1000 / 48), ramp(index * 1000, 1000)) for index in range(48)]
    sounds = run(track(source=Fraction(1, 1000)), [(pts, piece) for pts, piece in pieces])
    assert np.array_equal(np.concatenate([sound.samples[:, 0] for sound in sounds]), ramp(0, 48_000))


def test_frames_without_a_pts_follow_directly() -> None:
    sounds = run(track(), [(500, ramp(0, 1000)), (None, ramp(1000, 1000))])
    assert [(sound.pts, len(sound.samples)) for sound in sounds] == [(500, 1024), (1524, 976)]


def test_what_lies_before_0_is_cut() -> None:
    sounds = run(track(), [(-300, ramp(0, 1000))])
    assert sounds[0].pts == 0
    assert np.array_equal(sounds[0].samples[:, 0], ramp(300, 700))


def test_the_span_is_kept_to_the_sample() -> None:
    span = Span(Fraction(1, 100), Fraction(3, 100))
    sounds = run(track(span=span), [(at, ramp(at, 500)) for at in range(0, 3000, 500)])
    assert sounds[0].pts == 480
    assert np.array_equal(np.concatenate([sound.samples[:, 0] for sound in sounds]), ramp(480, 960))


def test_a_rate_or_layout_that_changes_is_brought_to_the_first() -> None:
    sounds = track()
    first = list(sounds.add(audio_frame(np.zeros(4800)), 0))
    stereo = np.repeat(sine(0.5, rate=24_000), 2, axis=1)
    second = list(sounds.add(audio_frame(stereo, 24_000, "stereo"), 4800))
    given = [chunk.payload for chunk in [*first, *second, *sounds.flush()]]
    samples = np.concatenate([sound.samples for sound in given if isinstance(sound, Sound)])
    assert samples.shape == (4800 + 24_000, 1)
    crossings = np.sum(np.diff(np.signbit(samples[4800:, 0])))
    assert crossings == pytest.approx(2 * 440 * 0.5, abs=3)


def test_samples_that_are_not_finite_are_silence() -> None:
    sounds = run(track(), [(0, np.array([0.5, np.nan, np.inf, -0.5]))])
    assert sounds[0].samples[:, 0].tolist() == [0.5, 0.0, 0.0, -0.5]


@pytest.mark.parametrize(
    ("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("7.1", 8)], ids=str
)
def test_channels_keep_their_number_order_and_places(tmp_path: Path, layout: str, channels: int) -> None:
    levels = np.linspace(0.1, 0.8, channels)
    given = upload(wav(tmp_path / "sound.wav", np.tile(levels, (4800, 1)), layout=layout))
    assert given.offers[1].format == SoundFormat(48_000, layout, channels, Fraction(1, 48_000))
    assert given.samples.mean(axis=0) == pytest.approx(levels, abs=1e-4)


@pytest.mark.parametrize(("channels", "layout"), [(1, "mono"), (2, "stereo"), (6, "5.1"), (9, "9 channels")])
def test_channels_without_places_get_the_usual_ones(tmp_path: Path, channels: int, layout: str) -> None:
    given = upload(_unplaced(tmp_path / "sound.wav", channels))
    assert given.offers[1].format == SoundFormat(48_000, layout, channels, Fraction(1, 48_000))
    assert given.samples[0] == pytest.approx([1000 * (place + 1) / 32768 for place in range(channels)])


def test_more_channels_than_the_wire_takes_are_refused(tmp_path: Path) -> None:
    clip = _unplaced(tmp_path / "sound.wav", 17)
    with pytest.raises(TooLarge, match="17 channels"):
        upload(clip)


def _unplaced(path: Path, channels: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(48_000)
        levels = 1000 * np.arange(1, channels + 1)
        file.writeframes(np.tile(levels, (4800, 1)).astype("<i2").tobytes())
    return path


def test_an_input_of_only_sound_gets_its_wave_form_as_a_picture(tmp_path: Path) -> None:
    loud_late = np.concatenate((np.zeros((48_000, 1)), sine(1.0)))
    given = upload(wav(tmp_path / "sound.wav", loud_late), layout=PixelLayout.RGB24)
    assert (given.source_frames, given.made) == (0, 50)
    assert given.pts == list(range(50))
    assert given.frames[0].format.time_base == Fraction(1, 25)
    quiet, loud = given.pixels[5], given.pixels[40]
    assert loud.astype(int).sum() > 10 * quiet.astype(int).sum()
    assert len(given.samples) == 96_000


def test_the_picture_of_sound_comes_beside_it(tmp_path: Path) -> None:
    kinds = [type(chunk.payload) for chunk in upload(wav(tmp_path / "sound.wav", sine(2.0))).chunks]
    assert kinds.index(Frames) < 4


@pytest.mark.parametrize(
    ("wish", "size", "count"),
    [
        ({}, (640, 360), 25),
        ({"width": 320}, (320, 180), 25),
        ({"height": 90}, (160, 90), 25),
        ({"width": 100, "height": 100}, (100, 100), 25),
        ({"rate": "10"}, (640, 360), 10),
        ({"duration_s": 0.5}, (640, 360), 13),
    ],
    ids=["default", "width", "height", "both", "rate", "part"],
)
def test_the_picture_of_sound_has_the_size_and_rate_asked_for(
    tmp_path: Path, wish: dict[str, object], size: tuple[int, int], count: int
) -> None:
    given = upload(wav(tmp_path / "sound.wav", sine(1.0)), **wish)
    video = given.frames[0].format
    assert (video.width, video.height) == size
    assert len(given.pts) == count


def test_the_picture_of_sound_can_be_black(tmp_path: Path) -> None:
    clip = wav(tmp_path / "sound.wav", sine(1.0))
    given = upload(clip, layout=PixelLayout.RGB24, sound_picture=SoundPicture.SOUND_PICTURE_BLACK)
    assert len(given.pts) == 25
    assert not given.pixels.any()


def test_sound_that_is_muted_is_still_drawn(tmp_path: Path) -> None:
    given = upload(wav(tmp_path / "sound.wav", sine(1.0)), mute=True)
    assert [offer.kind for offer in given.offers] == [PayloadKind.FRAMES]
    assert len(given.pts) == 25


def test_a_part_of_sound_is_drawn_where_it_is_heard(tmp_path: Path) -> None:
    given = upload(wav(tmp_path / "sound.wav", sine(2.0)), start_s=1.0, duration_s=0.4)
    assert given.sounds[0].pts == 48_000
    assert seconds(given)[0] == 1
    assert len(given.pts) == 10


def test_passing_sound_through_needs_a_picture(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="sound_passthrough"):
        upload(wav(tmp_path / "sound.wav", sine(1.0)), sound_passthrough=True)


def test_a_cover_is_no_picture_track(tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    with av.open(str(song), "w") as container:
        sound = container.add_stream("mp3", rate=44_100, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        container.start_encoding()
        for packet in cover.encode(av.VideoFrame(32, 32, "rgb24")):
            container.mux(packet)
        tone = sine(1.0, rate=44_100).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44_100, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    given = upload(song)
    assert given.source_frames == 0
    assert given.frames[0].format.width == 640
