"""Test pictures, prompts, and what can never be an input."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reelwire.errors import BadParameter, TooLarge
from reelwire.media import Chunk, ContainerBytes, Frames, Offer, PayloadKind, Text, TextFormat
from reelwire.settings import Settings
from reelwire.stage import Opening
from reelwire.testing import small_video
from services.preprocess.stage import PreprocessFactory
from tests.services.preprocess.running import UPLOAD, Given, Next, open_url, run_stage, seconds, stream_config


def prompt(text: str) -> Given:
    config = stream_config()
    config.input.text = text
    return run_stage(config)


def test_the_test_picture_has_the_size_rate_and_length_asked_for() -> None:
    given = open_url("testsrc:size=96x64:rate=30000/1001:duration=2")
    video = given.offers[0].video
    assert (video.width, video.height, video.frame_rate) == (96, 64, Fraction(30_000, 1001))
    assert given.offers[0].expected_frames == 60
    assert seconds(given) == [Fraction(1001 * index, 30_000) for index in range(60)]
    assert len(given.samples) == 96_000


@pytest.mark.parametrize("size", ["63x47", "1x1", "64x33"])
def test_a_test_picture_may_have_an_odd_size(size: str) -> None:
    given = open_url(f"testsrc:size={size}:rate=5:duration=1")
    assert f"{given.offers[0].video.width}x{given.offers[0].video.height}" == size
    assert len(given.pts) == 5


def test_the_test_picture_moves_and_its_tone_is_heard() -> None:
    given = open_url("testsrc:size=96x64:duration=1")
    assert not np.array_equal(given.pixels[0], given.pixels[20])
    crossings = np.sum(np.diff(np.signbit(given.samples[:, 0])))
    assert crossings == pytest.approx(880, abs=4)


def test_the_test_picture_is_the_same_each_time() -> None:
    first, again = open_url("testsrc:size=96x64:duration=1"), open_url("testsrc:size=96x64:duration=1")
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.samples, again.samples)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("testsrc:sise=96x64", "did you mean"),
        ("testsrc:size=96", "WxH"),
        ("testsrc:size=96x0", "WxH"),
        ("testsrc:size=9000x9000", "WxH"),
        ("testsrc:rate=fast", "rate"),
        ("testsrc:duration=-1", "duration"),
        ("testsrc:duration=0", "LIVE"),
        ("testsrc:size=96x64,movie=/etc/hostname", "WxH"),
        ("testsrc:duration=1[out0];movie=x", "duration"),
        ("", "empty"),
    ],
)
def test_a_test_picture_that_cannot_be_is_refused_by_its_word(url: str, words: str) -> None:
    with pytest.raises(BadParameter, match=words):
        open_url(url)


def test_a_live_test_picture_has_no_end_but_comes_in_real_time() -> None:
    given = open_url("testsrc:size=32x32:rate=50:duration=0", live=True, duration_s=0.2)
    assert len(given.pts) == 10


def test_frames_are_no_older_for_the_time_that_the_next_stages_took_to_open() -> None:
    config, after = stream_config(live=True), Next(None)
    config.input.url = "testsrc:size=32x32:duration=0"

    def slowly(offers: Sequence[Offer], models: object = ()) -> tuple[Offer, ...]:
        threading.Event().wait(0.2)
        return after.negotiate(offers, models)

    stage: Any = PreprocessFactory(Settings()).open(Opening("x", config, (), slowly, after.notice)).stage
    try:
        assert next(iter(stage.flush())).frame_count == 1
        assert stage.idle_us >= 200_000
    finally:
        stage.close()


def test_the_limits_hold_for_the_test_picture_too() -> None:
    with pytest.raises(TooLarge, match="REELWIRE_MAX_FRAME_PIXELS"):
        open_url("testsrc:size=96x64", settings=Settings(max_frame_pixels=96 * 63))
    with pytest.raises(TooLarge, match="REELWIRE_MAX_DURATION_S"):
        open_url("testsrc:size=96x64:duration=11", settings=Settings(max_duration_s=10))


def test_a_prompt_is_normalised_and_carried_as_one_chunk() -> None:
    given = prompt("  a cafe\u0301\n\tat \u00a0 night\u0000 ")
    assert given.offers == (Offer(0, PayloadKind.TEXT, TextFormat()),)
    assert given.chunks == [Chunk(0, Text("a caf\u00e9 at night", 0))]


@pytest.mark.parametrize(
    ("text", "words"), [("", "empty"), (" \n\u0000", "empty"), ("x" * 4001, "at most 4000")]
)
def test_a_prompt_that_is_empty_or_endless_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadParameter, match=words):
        prompt(text)


def test_an_input_and_offers_beside_it_are_refused() -> None:
    config = stream_config()
    config.input.url = "testsrc:"
    with pytest.raises(BadParameter, match="one of them"):
        run_stage(config, UPLOAD)


def test_an_upload_is_one_track_of_bytes() -> None:
    config = stream_config()
    config.input.upload.name = "clip.mp4"
    frames = Offer(0, PayloadKind.FRAMES, small_video(), (small_video().layout,))
    for offers in ((), (frames,), (*UPLOAD, frames)):
        with pytest.raises(BadParameter, match="CONTAINER_BYTES"):
            run_stage(config, offers)


@pytest.mark.parametrize("offers", [(), UPLOAD], ids=["nothing", "bytes"])
def test_no_input_and_no_frames_are_refused(offers: tuple[Offer, ...]) -> None:
    with pytest.raises(BadParameter, match="input"):
        run_stage(stream_config(), offers)


def test_bytes_for_an_input_that_is_fetched_are_refused() -> None:
    config = stream_config()
    config.input.url = "testsrc:"
    with pytest.raises(BadParameter, match="not offered"):
        run_stage(config, (), [Chunk(0, ContainerBytes(b"x"))])


def test_frames_come_lazily() -> None:
    """Nothing beyond what was asked for is decoded."""
    given = open_url("testsrc:size=32x32:rate=50:duration=0", live=True, duration_s=0.1)
    assert all(isinstance(frames, Frames) for frames in given.frames)
    assert given.source_frames <= 6
