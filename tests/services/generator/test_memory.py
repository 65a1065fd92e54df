"""What a stream remembers: windows, state, strength; whole, in pieces, saved and restored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwire.errors import BadPayload
from reelwire.media import Chunk, Pixels
from tests.reelwire.models import graphs
from tests.reelwire.models.running import assert_near, levels
from tests.services.generator.streams import (
    NextStage,
    chunk,
    clip,
    factory,
    feed,
    joined,
    open_stream,
    strength_from,
    video,
    whole_stream,
)

HEIGHT, WIDTH = 16, 24


def _say(folder: Path, *lines: str) -> None:
    (folder / "model" / "model.toml").write_text("\n".join(lines))


def _gain(folder: Path) -> None:
    graphs.gain(folder / "model" / "model.onnx")


def _recurrent(folder: Path) -> None:
    graphs.quarter_mixing(folder / "model" / "model.onnx", named=True)


def _centre(folder: Path) -> None:
    graphs.window_mean(folder / "model" / "model.onnx", frames=5, each=False)
    _say(folder, "[window]", "frames = 5", "overlap = 4")


def _blocks(folder: Path) -> None:
    graphs.window_mean(folder / "model" / "model.onnx", frames=4, each=True)


def _overlapping(folder: Path) -> None:
    graphs.window_mean(folder / "model" / "model.onnx", frames="T", each=True)
    _say(folder, "[window]", "frames = 4", "overlap = 1")


def _stacked(folder: Path) -> None:
    graphs.stacked_first(folder / "model" / "model.onnx", 3)
    _say(folder, "[window]", "frames = 3", "overlap = 2", "first_output = 0")


def _tiled(folder: Path) -> None:
    graphs.gain(folder / "model" / "model.onnx", size=(10, 12), scale=2)


MODELS = [_gain, _recurrent, _centre, _blocks, _overlapping, _stacked, _tiled]
EVERY = pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__.strip("_"))
Make = Callable[[Path], None]


@EVERY
@pytest.mark.parametrize("count", [1, 2, 5, 12, 25])
def test_output_does_not_depend_on_chunking_and_each_frame_comes_once(
    tmp_path: Path, make: Make, count: int
) -> None:
    make(tmp_path)
    generator = factory(tmp_path)
    pixels = clip(count, HEIGHT, WIDTH)
    results = {
        whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model"), pixels, each).tobytes()
        for each in (1, 3, 7, 24)
    }
    assert len(results) == 1
    generator.close()


@EVERY
def test_streams_at_once_give_what_each_gives_alone(tmp_path: Path, make: Make) -> None:
    make(tmp_path)
    generator = factory(tmp_path)
    clips = [clip(11, HEIGHT, WIDTH, seed) for seed in (1, 2)]
    offer = video(WIDTH, HEIGHT)
    alone = [whole_stream(open_stream(generator, offer, model="model"), pixels) for pixels in clips]
    stages = [open_stream(generator, offer, model="model").stage for _ in clips]
    outs: list[list[Chunk]] = [[], []]
    for place in range(11):
        for number, stage in enumerate(stages):
            outs[number] += feed(stage, chunk(clips[number][place : place + 1], place))
    for number, stage in enumerate(stages):
        outs[number] += stage.flush()
        np.testing.assert_array_equal(joined(outs[number])[1], alone[number])
    generator.close()


@EVERY
@pytest.mark.parametrize("cut", [0, 1, 6, 10])
def test_a_restored_stream_goes_on_byte_for_byte(tmp_path: Path, make: Make, cut: int) -> None:
    make(tmp_path)
    generator = factory(tmp_path)
    pixels = clip(11, HEIGHT, WIDTH)
    config: dict[str, Any] = {"model": "model", "strength": 0.75}
    whole = whole_stream(open_stream(generator, video(WIDTH, HEIGHT), **config), pixels)
    first = open_stream(generator, video(WIDTH, HEIGHT), **config).stage
    first.control(strength_from(8, 0.25))
    plain = open_stream(generator, video(WIDTH, HEIGHT), **config)
    plain.stage.control(strength_from(8, 0.25))
    expected = whole_stream(plain, pixels)
    assert not np.array_equal(expected, whole)
    out = feed(first, chunk(pixels[:cut]), 4) if cut else []
    state = first.snapshot()
    first.close()
    assert state is not None
    second = open_stream(generator, video(WIDTH, HEIGHT), **config)
    assert second.resumable
    second.stage.restore(state)
    out += [*feed(second.stage, chunk(pixels[cut:], cut), 4), *second.stage.flush()]
    pts, made, _ = joined(out)
    assert pts == list(range(11))
    np.testing.assert_array_equal(made, expected)
    generator.close()


@EVERY
def test_no_more_frames_are_held_than_was_said(tmp_path: Path, make: Make) -> None:
    make(tmp_path)
    generator = factory(tmp_path)
    opened = open_stream(generator, video(WIDTH, HEIGHT), model="model")
    given = 0
    for place, frame in enumerate(clip(20, HEIGHT, WIDTH)):
        given += sum(out.frame_count for out in feed(opened.stage, chunk(frame[None], place)))
        assert place + 1 - given <= opened.hold_frames
    generator.close()


def _expect_window(pixels: Pixels, starts: list[int], frames: int) -> dict[int, np.ndarray]:
    clamped = {
        start: [min(max(n, 0), len(pixels) - 1) for n in range(start, start + frames)] for start in starts
    }
    return {start: pixels[places].astype(float) for start, places in clamped.items()}


def test_a_centred_window_sees_the_neighbours_and_repeats_the_ends(tmp_path: Path) -> None:
    _centre(tmp_path)
    generator = factory(tmp_path)
    pixels = clip(7, HEIGHT, WIDTH)
    windows = _expect_window(pixels, list(range(-2, 5)), 5)
    made = whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model"), pixels)
    assert_near(made, levels(np.stack([windows[n - 2].mean(axis=0) for n in range(7)])))
    generator.close()


def test_overlapping_windows_give_each_frame_from_the_first_run_that_has_it(tmp_path: Path) -> None:
    _overlapping(tmp_path)
    generator = factory(tmp_path)
    pixels = clip(9, HEIGHT, WIDTH)
    windows = _expect_window(pixels, [0, 3, 6], 4)
    runs = {start: (seen + seen.mean(axis=0)) / 2 for start, seen in windows.items()}
    expected = (
        [runs[0][n] for n in range(4)]
        + [runs[3][n - 3] for n in range(4, 7)]
        + [runs[6][n - 6] for n in (7, 8)]
    )
    made = whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model"), pixels, 2)
    assert_near(made, levels(np.stack(expected)))
    generator.close()


def test_recurrent_state_is_carried_from_frame_to_frame(tmp_path: Path) -> None:
    graphs.mixing(tmp_path / "model.onnx")
    generator = factory(tmp_path)
    pixels = clip(6, HEIGHT, WIDTH)
    state, expected = np.zeros(pixels.shape[1:]), []
    for frame in pixels:
        state = (frame / 255 + state) / 2
        expected.append(levels(state * 255))
    made = whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model"), pixels)
    assert_near(made, np.stack(expected))
    forgetful = np.concatenate(
        [
            whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model"), frame[None])
            for frame in pixels
        ]
    )
    assert np.abs(forgetful[1:].astype(int) - made[1:]).max() > 20
    generator.close()


def test_a_window_keeps_no_hold_on_the_callers_memory(tmp_path: Path) -> None:
    _centre(tmp_path)
    generator = factory(tmp_path)
    pixels = clip(7, HEIGHT, WIDTH)
    expected = whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model"), pixels)
    stage = open_stream(generator, video(WIDTH, HEIGHT), model="model").stage
    ring, out = np.empty((1, HEIGHT, WIDTH, 3), np.uint8), []
    for place, frame in enumerate(pixels):
        ring[0] = frame
        out += feed(stage, chunk(ring, place))
        ring[:] = 0
    np.testing.assert_array_equal(joined([*out, *stage.flush()])[1], expected)
    generator.close()


@pytest.mark.parametrize("state", [b"", b"nonsense", b"PK\x03\x04"])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, state: bytes) -> None:
    _recurrent(tmp_path)
    generator = factory(tmp_path)
    with pytest.raises(BadPayload, match="start the stream again"):
        open_stream(generator, video(WIDTH, HEIGHT), model="model").stage.restore(state)
    generator.close()


def test_another_models_snapshot_is_refused(tmp_path: Path) -> None:
    _recurrent(tmp_path)
    graphs.mixing(tmp_path / "other.onnx")
    generator = factory(tmp_path)
    stage = open_stream(generator, video(WIDTH, HEIGHT), model="other").stage
    feed(stage, chunk(clip(1, HEIGHT, WIDTH)))
    state = stage.snapshot()
    assert state is not None
    with pytest.raises(BadPayload):
        open_stream(generator, video(WIDTH, HEIGHT), model="model").stage.restore(state)
    generator.close()


def test_a_snapshot_of_another_size_is_refused(tmp_path: Path) -> None:
    for make in (_centre, _recurrent):
        make(tmp_path)
        generator = factory(tmp_path)
        stage = open_stream(generator, video(WIDTH, HEIGHT), model="model").stage
        feed(stage, chunk(clip(2, HEIGHT, WIDTH)))
        state = stage.snapshot()
        assert state is not None
        other = open_stream(generator, video(WIDTH * 2, HEIGHT), model="model").stage
        with pytest.raises(BadPayload):
            other.restore(state)
        generator.close()
        (tmp_path / "model" / "model.toml").unlink(missing_ok=True)


@pytest.mark.parametrize("frames_each", [1, 3, 24])
def test_strength_changes_on_its_pts_whatever_the_chunks(tmp_path: Path, frames_each: int) -> None:
    _gain(tmp_path)
    generator = factory(tmp_path)
    pixels = clip(10, HEIGHT, WIDTH)
    stage = open_stream(generator, video(WIDTH, HEIGHT), model="model", strength=0.5).stage
    stage.control(strength_from(7, 0.0))
    stage.control(strength_from(4, 0.9))
    stage.control(strength_from(4, 1.0))  # for two on one pts the last wins
    made = joined([*feed(stage, chunk(pixels), frames_each), *stage.flush()])[1]
    full = levels(pixels * np.array(graphs.GAIN)).astype(float)
    assert_near(made[:4], levels(pixels[:4] / 2 + full[:4] / 2))
    assert_near(made[4:7], full[4:7].astype(np.uint8))
    np.testing.assert_array_equal(made[7:], pixels[7:])
    generator.close()


def test_a_change_that_comes_too_late_holds_from_the_next_frame_and_says_so(tmp_path: Path) -> None:
    _gain(tmp_path)
    generator = factory(tmp_path)
    after = NextStage()
    stage = open_stream(generator, video(WIDTH, HEIGHT), after, model="model").stage
    pixels = clip(4, HEIGHT, WIDTH)
    out = feed(stage, chunk(pixels[:2]))
    stage.control(strength_from(0, 0.0))
    out += feed(stage, chunk(pixels[2:], 2))
    made = joined(out)[1]
    assert not np.array_equal(made[:2], pixels[:2])
    np.testing.assert_array_equal(made[2:], pixels[2:])
    assert len(after.notices) == 1
    assert "pts 0, which has passed" in after.notices[0]
    generator.close()


def test_strength_zero_of_a_scaling_model_is_the_picture_enlarged(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "model.onnx", scale=2)
    generator = factory(tmp_path)
    flat = np.full((1, HEIGHT, WIDTH, 3), 77, np.uint8)
    made = whole_stream(open_stream(generator, video(WIDTH, HEIGHT), model="model", strength=0.0), flat)
    np.testing.assert_array_equal(made, np.full((1, HEIGHT * 2, WIDTH * 2, 3), 77))
    generator.close()
