"""The contract of every effect, found by listing: what streams, and whoever writes another, may rely on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reelwire import metrics
from reelwire.errors import BadPayload, FailedPrecondition, InvalidArgument
from reelwire.media import Frames, PixelLayout
from services.editor import effects as folder
from services.editor.registry import find_effects
from services.editor.stage import EditorFactory
from tests.services.editor.assets import EXAMPLES, write_assets
from tests.services.editor.models import write_models
from tests.services.editor.streams import (
    EITHER,
    Effects,
    NextStage,
    Params,
    change,
    chunk,
    clip,
    factory,
    feed,
    joined,
    open_stream,
    run_clip,
    video,
    whole_stream,
)

KINDS = find_effects()
NAMES = sorted(KINDS)
EVERY = pytest.mark.parametrize("name", NAMES)
FRAMES, WIDTH, HEIGHT = 25, 64, 48


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorFactory]:
    models = tmp_path_factory.mktemp("models")
    write_models(models)
    editor = factory(write_assets(tmp_path_factory.mktemp("assets")), models)
    yield editor
    editor.close()


def _example(name: str) -> Params:
    required = [
        each.name for each in dataclasses.fields(KINDS[name].params) if each.default is dataclasses.MISSING
    ]
    missing = set(required) - EXAMPLES.get(name, {}).keys()
    assert not missing, f"add parameters for {name} to EXAMPLES in tests/services/editor/assets.py"
    return EXAMPLES.get(name, {})


def _alone(name: str) -> Effects:
    return [(name, _example(name))]


def test_every_file_of_the_folder_is_an_effect_under_its_name() -> None:
    files = {path.stem for path in Path(folder.__path__[0]).glob("*.py")} - {"__init__"}
    assert files == set(NAMES)


@EVERY
@pytest.mark.parametrize("after", [(), ("grade",), ("trim", "fade")], ids=["alone", "grade", "trim and fade"])
def test_output_does_not_depend_on_chunking(name: str, after: tuple[str, ...], editor: EditorFactory) -> None:
    wanted = [(each, _example(each)) for each in (name, *after)]
    results = [run_clip(editor, wanted, clip(FRAMES, WIDTH, HEIGHT), each) for each in (1, 3, 7, 24)]
    assert len({result.bytes for result in results}) == 1
    assert len({result.lost for result in results}) == 1


@EVERY
@pytest.mark.parametrize("layouts", [EITHER, EITHER[::-1]], ids=["i420", "rgb"])
def test_it_works_on_both_layouts_and_gives_what_was_offered(
    name: str, layouts: tuple[PixelLayout, ...], editor: EditorFactory
) -> None:
    pixels = clip(5, WIDTH, HEIGHT)
    after = NextStage(layouts=layouts)
    opened = open_stream(editor, _alone(name), [video(WIDTH, HEIGHT)], after)
    result = whole_stream(opened, chunk(pixels, 5))
    assert result.pixels[0].shape == after.offers[0].settled(layouts[0]).video.frame_shape


@EVERY
@pytest.mark.parametrize(("width", "height"), [(33, 47), (2, 2), (1, 1)])
def test_odd_and_tiny_sizes_work_or_are_refused_when_the_stream_opens(
    name: str, width: int, height: int, editor: EditorFactory
) -> None:
    try:
        opened = open_stream(editor, _alone(name), [video(width, height)])
    except (InvalidArgument, FailedPrecondition):
        return
    whole_stream(opened, chunk(clip(4, width, height), 5))


@EVERY
def test_neutral_parameters_give_every_frame_back_as_it_came(name: str, editor: EditorFactory) -> None:
    neutral = KINDS[name].neutral
    if neutral is None:
        assert name in ("background_blur", "background_replace", "blur_faces", "filter")
        return
    pixels = clip(5, WIDTH, HEIGHT)
    opened = open_stream(editor, [(name, {**_required(name), **neutral})], [video(WIDTH, HEIGHT)])
    (out,) = feed(opened.stage, chunk(pixels), 5)
    assert isinstance(out.payload, Frames)
    assert np.shares_memory(out.payload.pixels, pixels)
    np.testing.assert_array_equal(out.payload.pixels, pixels)
    opened.stage.close()


def _required(name: str) -> Params:
    example = _example(name)
    return {
        each.name: example[each.name]
        for each in dataclasses.fields(KINDS[name].params)
        if each.default is dataclasses.MISSING
    }


@EVERY
def test_its_example_changes_the_picture(name: str, editor: EditorFactory) -> None:
    pixels = clip(FRAMES, WIDTH, HEIGHT)
    result = run_clip(editor, _alone(name), pixels)
    same = all(np.array_equal(each, pixels[pts]) for pts, each in zip(result.pts, result.pixels, strict=True))
    assert not same or result.lost, "the other tests would prove nothing"


@EVERY
@pytest.mark.parametrize("cut", [0, 1, 9])
def test_a_restored_stream_goes_on_byte_for_byte(name: str, cut: int, editor: EditorFactory) -> None:
    pixels, offers = clip(FRAMES, WIDTH, HEIGHT), [video(WIDTH, HEIGHT)]
    wanted = [*_alone(name), ("grade", {"contrast": 1.5})]
    late = change(1, 14, contrast=0.5)
    plain = open_stream(editor, wanted, offers)
    plain.stage.control(late)
    expected = whole_stream(plain, chunk(pixels), 4)
    first = open_stream(editor, wanted, offers)
    first.stage.control(late)
    out = feed(first.stage, chunk(pixels[:cut]), 4) if cut else []
    state = first.stage.snapshot()
    first.stage.close()
    if not first.resumable:
        assert state is None
        return
    assert state is not None
    second = open_stream(editor, wanted, offers).stage
    second.restore(state)
    out += [*feed(second, chunk(pixels[cut:], cut), 4), *second.flush()]
    second.close()
    assert joined(out).bytes == expected.bytes


@EVERY
def test_eight_streams_at_once_give_what_each_gives_alone(name: str, editor: EditorFactory) -> None:
    clips = [clip(12, WIDTH, HEIGHT, start=20 * number) for number in range(8)]
    alone = [run_clip(editor, _alone(name), pixels).bytes for pixels in clips]
    stages = [open_stream(editor, _alone(name), [video(WIDTH, HEIGHT)]).stage for _ in clips]
    outs: list[list] = [[] for _ in clips]
    for place in range(12):
        for number, stage in enumerate(stages):
            outs[number] += feed(stage, chunk(clips[number][place : place + 1], place))
    for number, stage in enumerate(stages):
        outs[number] += stage.flush()
        stage.close()
    assert [joined(out).bytes for out in outs] == alone


@EVERY
def test_no_more_frames_are_held_than_was_said(name: str, editor: EditorFactory) -> None:
    opened = open_stream(editor, _alone(name), [video(WIDTH, HEIGHT)])
    left = 0
    for place, frame in enumerate(clip(FRAMES, WIDTH, HEIGHT)):
        out = joined(feed(opened.stage, chunk(frame[None], place)))
        left += len(out.pts) + out.lost
        assert place + 1 - left <= opened.hold_frames
    opened.stage.close()


@EVERY
def test_no_hold_is_kept_on_the_callers_memory(name: str, editor: EditorFactory) -> None:
    pixels = clip(9, WIDTH, HEIGHT)
    expected = run_clip(editor, _alone(name), pixels)
    stage = open_stream(editor, _alone(name), [video(WIDTH, HEIGHT)]).stage
    ring, out = np.empty((1, HEIGHT, WIDTH, 3), np.uint8), []
    for place, frame in enumerate(pixels):
        ring[0] = frame
        for given in feed(stage, chunk(ring, place)):
            frames = given.payload
            if isinstance(frames, Frames):
                given = dataclasses.replace(
                    given, payload=dataclasses.replace(frames, pixels=frames.pixels.copy())
                )
            out.append(given)
        ring[:] = 0
    assert joined([*out, *stage.flush()]).bytes == expected.bytes
    stage.close()


@EVERY
def test_keyframes_stay_with_their_frames(name: str, editor: EditorFactory) -> None:
    opened = open_stream(editor, _alone(name), [video(WIDTH, HEIGHT)])
    whole = chunk(clip(20, WIDTH, HEIGHT), keyframes=(6, 13))
    assert whole_stream(opened, whole, 3).keyframes == [6, 13]


@EVERY
def test_each_frame_that_it_works_on_is_counted(name: str, editor: EditorFactory) -> None:
    counter = metrics.EFFECT_FRAMES.labels(name)
    before = counter._value.get()
    run_clip(editor, _alone(name), clip(9, WIDTH, HEIGHT))
    assert counter._value.get() - before == 9


@EVERY
def test_another_effects_memory_is_refused(name: str, editor: EditorFactory) -> None:
    other = "grade" if name != "grade" else "trim"
    opened = open_stream(editor, [(other, _example(other))], [video(WIDTH, HEIGHT)])
    state = opened.stage.snapshot()
    opened.stage.close()
    assert state is not None
    stage = open_stream(editor, _alone(name), [video(WIDTH, HEIGHT)]).stage
    with pytest.raises(BadPayload):
        stage.restore(state)
    stage.close()
