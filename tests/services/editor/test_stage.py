"""What the editor agrees to, and how it carries frames, changes, drops and everything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from reelwire.errors import (
    BadParameter,
    BadPayload,
    TooLarge,
    UnknownEffect,
)
from reelwire.media import Chunk, Dropped, DropReason, Frames, PayloadKind, PixelLayout, Text, TextFormat
from reelwire.media import Offer as MediaOffer
from reelwire.pixels import convert
from services.editor.stage import EditorFactory
from tests.services.editor.assets import write_assets
from tests.services.editor.streams import (
    EITHER,
    RGB,
    NextStage,
    chunk,
    clip,
    factory,
    open_stream,
    sound_offer,
    video,
    whole_stream,
)

I420 = PixelLayout.I420
WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorFactory]:
    editor = factory(write_assets(tmp_path_factory.mktemp("assets")))
    yield editor
    editor.close()


def _i420(pixels: np.ndarray, first_pts: int = 0) -> Chunk:
    whole = chunk(pixels, first_pts)
    frames = whole.payload
    assert isinstance(frames, Frames)
    stack = np.stack([convert(each, PixelLayout.RGB24, I420) for each in pixels])
    return replace(whole, payload=replace(frames, format=replace(frames.format, layout=I420), pixels=stack))


@pytest.mark.parametrize("layouts", [EITHER, RGB], ids=["i420 taken", "rgb taken"])
def test_without_effects_everything_passes_in_the_layout_that_the_next_stage_chose(
    layouts: tuple[PixelLayout, ...], editor: EditorFactory
) -> None:
    after = NextStage(layouts=layouts)
    opened = open_stream(editor, [], [video(WIDTH, HEIGHT, EITHER), sound_offer()], after)
    assert opened.inputs[0].layouts == (layouts[0],)
    assert (opened.hold_frames, opened.resumable) == (0, True)
    whole = chunk(clip(4), keyframes=(2,))
    assert list(opened.stage.feed(whole)) == [whole]
    assert list(opened.stage.flush()) == []


@pytest.mark.parametrize(
    ("preferred", "chosen"), [(EITHER, EITHER), (EITHER, RGB), (EITHER[::-1], EITHER), (RGB, EITHER)]
)
def test_with_effects_it_takes_what_the_sender_prefers_and_gives_what_the_next_stage_chose(
    preferred: tuple[PixelLayout, ...], chosen: tuple[PixelLayout, ...], editor: EditorFactory
) -> None:
    after = NextStage(layouts=chosen)
    opened = open_stream(editor, [("grade", {"contrast": 1.5})], [video(WIDTH, HEIGHT, preferred)], after)
    assert opened.inputs[0].layouts == (preferred[0],)
    assert after.offers[0].layouts == EITHER
    pixels = clip(2)
    made = whole_stream(opened, _i420(pixels) if preferred[0] is I420 else chunk(pixels))
    rgb = [convert(each, chosen[0], PixelLayout.RGB24).astype(int) for each in made.pixels]
    expected = (pixels.astype(float) - 127.5) * 1.5 + 127.5
    np.testing.assert_allclose(np.stack(rgb)[:, 8:-8, 40:], expected.clip(0, 255)[:, 8:-8, 40:], atol=24)


@pytest.mark.parametrize("size", [(63, 48), (64, 47)])
def test_odd_sizes_are_given_as_rgb_only(size: tuple[int, int], editor: EditorFactory) -> None:
    after = NextStage(layouts=EITHER)
    open_stream(editor, [("grade", {})], [video(*size)], after)
    assert after.offers[0].layouts == RGB


def test_a_frame_that_no_effect_touches_passes_bit_by_bit_in_i420(editor: EditorFactory) -> None:
    effects = [("text", {"text": "x", "start_s": 0.12}), ("grade", {})]
    opened = open_stream(editor, effects, [video(WIDTH, HEIGHT, EITHER)], NextStage(layouts=EITHER))
    whole = _i420(clip(5))
    assert isinstance(whole.payload, Frames)
    made = whole_stream(opened, whole, 2)
    for place in range(3):
        np.testing.assert_array_equal(made.pixels[place], whole.payload.pixels[place])
    assert not np.array_equal(made.pixels[3], whole.payload.pixels[3])


def test_a_chunk_is_cut_where_the_next_message_would_be_too_large() -> None:
    editor = factory(max_message_bytes=1 << 20)
    graph = {"graph": "scale=512:512"}
    opened = open_stream(editor, [("filter", graph)], [video(WIDTH, HEIGHT)])
    out = list(opened.stage.feed(chunk(clip(3))))
    assert [each.frame_count for each in out] == [1, 1, 1]
    with pytest.raises(TooLarge, match='what effect "filter" makes'):
        open_stream(editor, [("filter", {"graph": "scale=1024:1024"})], [video(WIDTH, HEIGHT)])
    editor.close()


def test_other_tracks_pass_untouched(editor: EditorFactory) -> None:
    prompt = MediaOffer(2, PayloadKind.TEXT, TextFormat())
    second = video(32, 32, EITHER, track=3)
    offers = [video(WIDTH, HEIGHT), sound_offer(), prompt, second]
    after = NextStage()
    opened = open_stream(editor, [("grade", {"contrast": 2})], offers, after)
    assert [offer.track for offer in opened.inputs] == [0, 1, 2, 3]
    assert opened.inputs[3].layouts == RGB
    text = Chunk(2, Text("a cat", 5))
    assert list(opened.stage.feed(text)) == [text]
    other = chunk(clip(1, 32, 32), track=3)
    assert list(opened.stage.feed(other)) == [other]


def test_drops_are_told_where_they_happen_and_those_of_others_are_not_told_again(
    editor: EditorFactory,
) -> None:
    opened = open_stream(editor, [("trim", {"start_s": 0.08, "end_s": 0.16})], [video(WIDTH, HEIGHT)])
    foreign = Dropped(3, DropReason.LATE, 0, 2)
    whole = replace(chunk(clip(6)), dropped=(foreign,))
    first, second = opened.stage.feed(whole)
    assert isinstance(first.payload, Frames)
    assert first.payload.pts == (2, 3)
    assert first.dropped == (Dropped(2, DropReason.TRIMMED, 0, 1),)
    assert (second.payload, second.dropped) == (None, (Dropped(2, DropReason.TRIMMED, 4, 5),))


def test_an_unknown_effect_is_refused_with_its_neighbour_before_any_other_is_opened(
    editor: EditorFactory,
) -> None:
    wanted = [("text", {"text": "x", "font": "missing.ttf"}), ("grad", {})]
    with pytest.raises(UnknownEffect, match='effect "grad" not found; did you mean "grade"'):
        open_stream(editor, wanted, [video(WIDTH, HEIGHT)])


def test_effects_without_pictures_are_refused(editor: EditorFactory) -> None:
    with pytest.raises(BadParameter, match="the stream carries SOUND"):
        open_stream(editor, [("grade", {})], [sound_offer()])


def test_too_many_effects_are_refused(editor: EditorFactory) -> None:
    with pytest.raises(BadParameter, match="33 effects"):
        open_stream(editor, [("grade", {})] * 33, [video(WIDTH, HEIGHT)])


def test_frames_of_another_size_are_refused(editor: EditorFactory) -> None:
    stage = open_stream(editor, [("grade", {})], [video(WIDTH, HEIGHT)]).stage
    with pytest.raises(BadPayload, match="64x48"):
        stage.feed(chunk(clip(1, 32, 32)))


@pytest.mark.parametrize("state", [b"", b"nonsense", b"PK\x03\x04"])
def test_a_damaged_snapshot_is_refused(state: bytes, editor: EditorFactory) -> None:
    stage = open_stream(editor, [("grade", {})], [video(WIDTH, HEIGHT)]).stage
    with pytest.raises(BadPayload, match="start the stream again"):
        stage.restore(state)
