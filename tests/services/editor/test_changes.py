"""Parameters that change while a stream runs: from which frame on, what is refused, what is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from reelwire.errors import BadParameter, TooLarge
from reelwire.media import Frames
from reelwire.v1.pipeline_pb2 import Control
from services.editor.changes import MAX_CHANGES
from services.editor.stage import EditorFactory
from tests.services.editor.streams import (
    NextStage,
    change,
    chunk,
    clip,
    factory,
    feed,
    joined,
    open_stream,
    video,
)

WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def editor() -> Iterator[EditorFactory]:
    editor = factory()
    yield editor
    editor.close()


@pytest.mark.parametrize("frames_each", [1, 3, 24])
def test_parameters_change_on_their_pts_and_the_last_of_two_wins(
    frames_each: int, editor: EditorFactory
) -> None:
    stage = open_stream(editor, [("grade", {"saturation": 0})], [video(WIDTH, HEIGHT)]).stage
    stage.control(change(0, 7, brightness=-1))
    stage.control(change(0, 4, brightness=0.5))
    stage.control(change(0, 4, brightness=1))
    made = joined(feed(stage, chunk(clip(10)), frames_each)).pixels
    assert all((each[..., 0] == each[..., 2]).all() for each in made[:4])
    assert not any((each == each[0, 0, 0]).all() for each in made[:4])
    assert all((each == 255).all() for each in made[4:7])
    assert all((each == 0).all() for each in made[7:])


def test_a_change_keeps_what_it_does_not_name(editor: EditorFactory) -> None:
    stage = open_stream(editor, [("grade", {"saturation": 0})], [video(WIDTH, HEIGHT)]).stage
    stage.control(change(0, 1, contrast=2))
    stage.control(change(0, 2, brightness=0.2))
    direct = open_stream(
        editor, [("grade", {"saturation": 0, "contrast": 2, "brightness": 0.2})], [video(WIDTH, HEIGHT)]
    ).stage
    pixels = clip(3)
    made, expected = joined(feed(stage, chunk(pixels))), joined(feed(direct, chunk(pixels)))
    np.testing.assert_array_equal(made.pixels[2], expected.pixels[2])


def test_a_change_between_two_frames_holds_from_the_second(editor: EditorFactory) -> None:
    stage = open_stream(editor, [("grade", {})], [video(WIDTH, HEIGHT)]).stage
    stage.control(change(0, 5, brightness=1))
    whole = chunk(clip(3))
    assert isinstance(whole.payload, Frames)
    uneven = replace(whole, payload=replace(whole.payload, pts=(0, 4, 9)))
    made = joined(feed(stage, uneven)).pixels
    assert [bool((each == 255).all()) for each in made] == [False, False, True]


def test_a_change_that_comes_too_late_holds_from_the_next_frame_and_says_so(editor: EditorFactory) -> None:
    after = NextStage()
    stage = open_stream(editor, [("grade", {})], [video(WIDTH, HEIGHT)], after).stage
    pixels = clip(4)
    out = feed(stage, chunk(pixels[:2]))
    stage.control(change(0, 1, brightness=1))
    out += feed(stage, chunk(pixels[2:], 2))
    assert [bool((each == 255).all()) for each in joined(out).pixels] == [False, False, True, True]
    assert len(after.notices) == 1
    assert '"grade"' in after.notices[0]
    assert "pts 1" in after.notices[0]


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (change(0, 5, contrast=9), "contrast is 9.0; expected a number from 0 to 4"),
        (change(0, 5, contrst=1), 'did you mean "contrast"'),
        (change(1, 5, contrast=1), "effect index 1: the stream has 1 effects"),
        (change(-1, 5, contrast=1), "effect index -1"),
        (Control(stage="editor", strength=0.5), 'no "strength" to change'),
        (Control(stage="editor", keyframe=True), 'no "keyframe" to change'),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    control: Control, words: str, editor: EditorFactory
) -> None:
    stage = open_stream(editor, [("grade", {})], [video(WIDTH, HEIGHT)]).stage
    with pytest.raises(BadParameter, match=words):
        stage.control(control)
    pixels = clip(8)
    np.testing.assert_array_equal(np.stack(joined(feed(stage, chunk(pixels))).pixels), pixels)


def test_without_effects_nothing_can_change(editor: EditorFactory) -> None:
    stage = open_stream(editor, [], [video(WIDTH, HEIGHT)]).stage
    with pytest.raises(BadParameter, match="no effects"):
        stage.control(change(0, 0, contrast=1))


def test_changes_that_wait_are_bounded(editor: EditorFactory) -> None:
    stage = open_stream(editor, [("grade", {})], [video(WIDTH, HEIGHT)]).stage
    for place in range(MAX_CHANGES):
        stage.control(change(0, 10 + place, contrast=1))
    with pytest.raises(TooLarge, match="changes of one effect wait"):
        stage.control(change(0, 5000, contrast=1))
