"""A caller's own frames get the size, rate and background asked for; all else passes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reelwire.errors import BadParameter, BadPayload
from reelwire.media import (
    Chunk,
    DropReason,
    Frames,
    Offer,
    PayloadKind,
    PixelLayout,
    Sound,
    SoundFormat,
    Text,
    VideoFormat,
)
from reelwire.testing import frames, picture, small_video
from tests.services.preprocess.running import Given, run_stage, stream_config

RGB, I420 = PixelLayout.RGB24, PixelLayout.I420
SOUND = SoundFormat(48_000, "mono", 1, Fraction(1, 48_000))
SOUND_OFFER = Offer(1, PayloadKind.SOUND, SOUND)


def offer(video: VideoFormat, *layouts: PixelLayout) -> Offer:
    return Offer(0, PayloadKind.FRAMES, video, layouts or (video.layout,))


def pictures(count: int, video: VideoFormat, chunk_frames: int = 1) -> list[Chunk]:
    return [Chunk(0, each) for each in frames(count, video, chunk_frames=chunk_frames)]


def run(chunks: list[Chunk], *offers: Offer, layout: PixelLayout | None = None, **config: Any) -> Given:
    given = run_stage(stream_config(**config), offers, chunks, layout=layout)
    came = sum(len(chunk.payload) for chunk in chunks if isinstance(chunk.payload, Frames))
    assert came + given.made == len(given.pts) + sum(dropped.count for dropped in given.dropped)
    return given


def test_frames_that_need_nothing_pass_as_they_came() -> None:
    chunks = pictures(6, small_video(), chunk_frames=2)
    given = run(chunks, offer(small_video()), layout=RGB)
    for came, went in zip(chunks, given.chunks, strict=True):
        assert came.payload is went.payload


def test_the_layout_that_the_next_stage_takes_is_asked_of_the_caller_where_it_can() -> None:
    video = small_video(layout=I420)
    given = run(pictures(3, video), offer(small_video(), RGB, I420), layout=I420)
    assert given.frames[0].format.layout is I420


def test_frames_are_converted_where_the_caller_has_only_the_other_layout() -> None:
    given = run(pictures(3, small_video()), offer(small_video()), layout=I420)
    assert given.pixels.shape == (3, 72, 64)
    assert np.abs(given.rgb.astype(int) - picture(0)).mean() < 12


def test_frames_are_scaled_in_chunks_as_they_came() -> None:
    given = run(pictures(7, small_video(), chunk_frames=3), offer(small_video()), layout=RGB, width=32)
    assert [len(each) for each in given.frames] == [3, 3, 1]
    assert given.pixels.shape == (7, 24, 32, 3)
    assert given.pts == list(range(7))


@pytest.mark.parametrize("wish", [{"width": 32}, {"rate": "25"}], ids=["size", "rate"])
def test_frames_before_zero_are_kept(wish: dict[str, Any]) -> None:
    chunks = [
        replace(chunk, payload=replace(chunk.payload, pts=(place - 2,)))  # type: ignore[type-var]
        for place, chunk in enumerate(pictures(5, small_video()))
    ]
    given = run(chunks, offer(small_video()), layout=RGB, **wish)
    assert given.pts == [-2, -1, 0, 1, 2]
    assert not given.dropped


@pytest.mark.parametrize("chunk_frames", [1, 3, 7, 24])
def test_frames_do_not_depend_on_their_chunks(chunk_frames: int) -> None:
    wish = {"width": 50, "rate": "30"}
    one = run(pictures(30, small_video()), offer(small_video()), layout=I420, **wish)
    many = run(pictures(30, small_video(), chunk_frames), offer(small_video()), layout=I420, **wish)
    assert one.pts == many.pts
    assert np.array_equal(one.pixels, many.pixels)


def test_a_rate_repeats_and_drops_the_callers_frames_too() -> None:
    up = run(pictures(10, small_video()), offer(small_video()), rate="50")
    assert (len(up.pts), up.made) == (20, 10)
    down = run(pictures(10, small_video()), offer(small_video()), rate="5")
    assert (len(down.pts), down.count(DropReason.RATE)) == (2, 8)
    assert down.frames[0].format.time_base == Fraction(1, 5)


def test_keyframes_stay_with_their_frames() -> None:
    chunk = replace(pictures(6, small_video(), 6)[0], keyframes=(0, 4))
    assert run([chunk], offer(small_video()), width=32).chunks[0].keyframes == (0, 4)


def test_a_keyframe_that_the_rate_drops_passes_on_to_the_frame_in_its_place() -> None:
    chunk = replace(pictures(6, small_video(), 6)[0], keyframes=(2,))
    given = run([chunk], offer(small_video()), rate="5")
    keys = [out.payload.pts[place] for out in given.chunks for place in out.keyframes]  # type: ignore[union-attr]
    assert keys == [0]
    assert given.pts == [0]


def test_a_frame_of_another_size_is_brought_to_the_first_ones() -> None:
    large = small_video(128, 96)
    chunks = [*pictures(2, small_video()), Chunk(0, Frames(large, (5,), picture(5, 128, 96)[None]))]
    given = run(chunks, offer(small_video()), layout=RGB)
    assert given.pixels.shape == (3, 48, 64, 3)
    assert given.pixels[2].mean() == pytest.approx(picture(5, 128, 96).mean(), abs=3)


def test_other_tracks_pass_and_sound_can_be_muted() -> None:
    chunks = [Chunk(1, Sound(SOUND, 0, np.zeros((10, 1), np.float32))), *pictures(2, small_video())]
    offers = (offer(small_video()), SOUND_OFFER)
    assert run(chunks, *offers).sounds == [chunks[0].payload]
    muted = run(chunks, *offers, mute=True)
    assert muted.sounds == []
    assert [each.track for each in muted.offers] == [0]


@pytest.mark.parametrize("wish", [{"start_s": 1.0}, {"duration_s": 1.0}, {"sound_passthrough": True}])
def test_wishes_that_only_an_input_can_fulfil_are_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match=next(iter(wish))):
        run([], offer(small_video()), **wish)


def test_a_payload_that_is_no_picture_is_refused() -> None:
    with pytest.raises(BadPayload, match="expected frames"):
        run([Chunk(0, Text("hello"))], offer(small_video()), width=32)
