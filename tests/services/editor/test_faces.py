"""blur_faces: what it covers, what it remembers, and that it fails closed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwire import metrics
from reelwire.errors import ModelUnusable, TooLarge, UnknownModel
from reelwire.media import Pixels
from services.editor.face_memory import GROWTH_PER_S, MAX_FACES, FaceMemory, HoldParams
from services.editor.faces import decode, without_doubles
from services.editor.stage import EditorFactory
from tests.services.editor.models import SQUARE, write_models
from tests.services.editor.pictures import FAULTS, HEIGHT, WIDTH, YELLOW, broken, dark, stack
from tests.services.editor.streams import (
    NextStage,
    Params,
    chunk,
    factory,
    open_stream,
    run_clip,
    video,
    whole_stream,
)

FACES: Params = {"model": "squares", "cover": "opaque", "color": "#ff00ff", "margin": 0.0, "detail": 4096}
COVER = (255, 0, 255)


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorFactory]:
    models: Path = tmp_path_factory.mktemp("models")
    write_models(models)
    editor = factory(models=models)
    yield editor
    editor.close()


def _faces(editor: EditorFactory, pixels: Pixels, **more: object) -> Pixels:
    return np.stack(run_clip(editor, [("blur_faces", {**FACES, **more})], pixels).pixels)


def _is_cover(rgb: Pixels) -> np.ndarray:
    return (rgb == COVER).all(axis=-1)


def test_a_face_is_covered_and_nothing_else(editor: EditorFactory) -> None:
    made = _faces(editor, stack(dark((20, 16), (60, 40))))[0]
    expected, near = np.zeros((2, HEIGHT, WIDTH), bool)
    for left, top in ((20, 16), (60, 40)):
        expected[top : top + SQUARE, left : left + SQUARE] = True
        near[top - 1 : top + SQUARE + 1, left - 1 : left + SQUARE + 1] = True
    covered = _is_cover(made)
    assert covered[expected].all()
    assert not covered[~near].any()
    np.testing.assert_array_equal(made[~covered], dark()[~covered])


def test_the_margin_is_covered_too(editor: EditorFactory) -> None:
    covered = _is_cover(_faces(editor, stack(dark((40, 24))), margin=0.5)[0])
    assert covered[24 - 6 : 24 + SQUARE + 6, 40 - 6 : 40 + SQUARE + 6].all()
    assert 24**2 <= covered.sum() <= 26**2


@pytest.mark.parametrize("cover", ["opaque", "pixelate", "blur"])
def test_what_is_under_a_cover_cannot_be_told_apart(cover: str, editor: EditorFactory) -> None:
    faces = [dark((40, 24)), dark((40, 24))]
    faces[0][28:32, 44:48:2, 2] = faces[1][28:32, 45:48:2, 2] = 200  # features that lie a pixel apart
    made = _faces(editor, stack(*faces), cover=cover, margin=0.2, blocks=2).astype(int)
    assert np.abs(faces[0].astype(int) - faces[1]).max() == 190
    assert np.abs(made[0] - made[1]).max() <= 12


def test_a_face_that_is_lost_stays_covered_where_it_was_and_further_each_frame(editor: EditorFactory) -> None:
    there, gone = dark((40, 24)), dark()
    made = _faces(editor, stack(there, *[gone] * 12), hold_s=0.2)
    areas = [int(_is_cover(each).sum()) for each in made]
    held = round(0.2 * 25)
    assert all(_is_cover(each)[24 : 24 + SQUARE, 40 : 40 + SQUARE].all() for each in made[: held + 1])
    assert areas[1 : held + 1] == sorted(areas[1 : held + 1])
    assert areas[held] > areas[0]
    assert areas[held + 1 :] == [0] * (12 - held)


def test_a_face_that_is_found_again_is_not_held_where_it_was(editor: EditorFactory) -> None:
    pictures = [dark((40, 24)), dark(), dark((44, 24)), dark((48, 24))]
    last = _is_cover(_faces(editor, stack(*pictures), hold_s=5)[-1])
    assert last[24 : 24 + SQUARE, 48 : 48 + SQUARE].all()
    assert last.sum() <= (SQUARE + 2) ** 2


def test_less_certainty_is_enough_for_a_face_that_is_known(editor: EditorFactory) -> None:
    sure, unsure = dark((40, 24)), dark((40, 24), tone=(254, 254, 10))  # scores 1 and 0.41
    params = {"threshold": 0.6, "hold_s": 0.0}
    assert not _is_cover(_faces(editor, stack(unsure), **params)).any()
    made = _faces(editor, stack(sure, unsure, unsure), **params)
    assert _is_cover(made[2])[24 : 24 + SQUARE, 40 : 40 + SQUARE].all()


@pytest.mark.parametrize("how", FAULTS)
def test_where_the_detector_fails_the_whole_frame_is_covered_counted_logged_and_told_once(
    how: str, editor: EditorFactory, caplog: pytest.LogCaptureFixture
) -> None:
    counter = metrics.EFFECT_FAILED_FRAMES.labels("blur_faces")
    before, after = counter._value.get(), NextStage()
    opened = open_stream(editor, [("blur_faces", FACES)], [video(WIDTH, HEIGHT)], after)
    good = dark((20, 20))
    with caplog.at_level(logging.WARNING):
        result = whole_stream(opened, chunk(stack(good, broken(how), broken(how), good)))
    assert [bool(_is_cover(each).all()) for each in result.pixels] == [False, True, True, False]
    assert counter._value.get() - before == 2
    assert len(after.notices) == 1
    assert "pts 1" in after.notices[0]
    assert sum("blur_faces" in record.message for record in caplog.records) == 1


def test_faces_are_still_held_after_the_detector_failed(editor: EditorFactory) -> None:
    made = _faces(editor, stack(dark((40, 24)), broken("nan"), dark()), hold_s=1)
    assert _is_cover(made[2])[24 : 24 + SQUARE, 40 : 40 + SQUARE].all()
    assert not _is_cover(made[2]).all()


def test_faces_are_found_in_a_smaller_picture_and_covered_in_the_large_one(editor: EditorFactory) -> None:
    large = dark((40, 24)).repeat(4, axis=0).repeat(4, axis=1)
    result = run_clip(editor, [("blur_faces", {**FACES, "detail": WIDTH})], stack(large))
    covered = _is_cover(result.pixels[0])
    assert covered[24 * 4 : (24 + SQUARE) * 4, 40 * 4 : (40 + SQUARE) * 4].all()
    assert covered.sum() <= (SQUARE * 4 + 4) ** 2


@pytest.mark.parametrize(
    ("model", "error"), [("nobody", UnknownModel), ("identity", ModelUnusable), ("red", ModelUnusable)]
)
def test_a_model_that_finds_no_faces_is_refused_when_the_stream_opens(
    model: str, error: type[Exception], editor: EditorFactory
) -> None:
    with pytest.raises(error, match=model):
        open_stream(editor, [("blur_faces", {**FACES, "model": model})], [video(WIDTH, HEIGHT)])


def test_centerface_maps_are_read_as_its_paper_says() -> None:
    heat, scale, offset = np.zeros((1, 1, 8, 8)), np.zeros((1, 2, 8, 8)), np.zeros((1, 2, 8, 8))
    heat[0, 0, 3, 5], scale[0, :, 3, 5], offset[0, :, 3, 5] = 0.9, (np.log(3), np.log(2)), (0.25, -0.25)
    heat[0, 0, 3, 4], scale[0, :, 3, 4] = 0.5, (np.log(3), np.log(2))
    heat[0, 0, 7, 0] = 0.3
    boxes = decode({"heatmap": heat, "scale": scale, "offset": offset}, 0.25)
    x, y = (5 - 0.25 + 0.5) * 4, (3 + 0.25 + 0.5) * 4
    np.testing.assert_allclose(boxes, [[x - 4, y - 6, x + 4, y + 6, 0.9], [0, 28, 4, 32, 0.3]])
    assert len(decode({"heatmap": heat, "scale": scale, "offset": offset}, 0.95)) == 0


@pytest.mark.parametrize("name", ["heatmap", "scale", "offset"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_maps_with_numbers_that_are_none_are_refused(name: str, value: float) -> None:
    outputs = {
        "heatmap": np.zeros((1, 1, 4, 4)),
        "scale": np.zeros((1, 2, 4, 4)),
        "offset": np.zeros((1, 2, 4, 4)),
    }
    outputs[name][0, 0, 0, 0] = value
    with pytest.raises(ModelUnusable, match="NaN or infinity"):
        decode(outputs, 0.5)


def test_of_boxes_on_one_face_the_surest_stays() -> None:
    boxes = np.array([[0, 0, 10, 10, 0.5], [1, 0, 11, 10, 0.9], [30, 0, 40, 10, 0.4]], float)
    np.testing.assert_array_equal(without_doubles(boxes)[:, 4], [0.9, 0.4])


def test_a_held_box_grows_by_its_size_each_second() -> None:
    memory, params = FaceMemory(), HoldParams(0.5, Fraction(2))
    memory.update(np.array([[10, 10, 20, 30, 0.9]], float), Fraction(0), params)
    (box,) = memory.update(np.empty((0, 5)), Fraction(1, 2), params)
    half = GROWTH_PER_S / 4
    np.testing.assert_allclose(box[:4], [10 - 10 * half, 10 - 20 * half, 20 + 10 * half, 30 + 20 * half])
    assert len(memory.update(np.empty((0, 5)), Fraction(201, 100), params)) == 0


def test_of_two_faces_side_by_side_the_one_that_is_lost_is_held() -> None:
    memory, params = FaceMemory(), HoldParams(0.5, Fraction(1))
    left, right = [0, 0, 20, 20, 0.9], [14, 0, 34, 20, 0.8]
    memory.update(np.array([left, right], float), Fraction(0), params)
    boxes = memory.update(np.array([left], float), Fraction(1, 25), params)
    assert len(boxes) == 2
    assert boxes[1][0] <= 14
    assert boxes[1][2] >= 34


def test_more_faces_than_are_kept_are_an_error_that_forgets_none() -> None:
    memory, params = FaceMemory(), HoldParams(0.5, Fraction(1))
    crowd = np.array([[20 * n, 0, 20 * n + 10, 10, 0.9] for n in range(MAX_FACES + 1)], float)
    memory.update(crowd[:2], Fraction(0), params)
    with pytest.raises(TooLarge, match=f"{MAX_FACES + 1} faces"):
        memory.update(crowd, Fraction(1, 25), params)
    assert len(memory.update(np.empty((0, 5)), Fraction(2, 25), params)) == 2


def test_a_frame_with_more_faces_than_are_kept_is_covered_whole(tmp_path: Path) -> None:
    crowd = np.zeros((1, 16 * 20, 16 * 20, 3), np.uint8)
    for top in range(4, 16 * 20, 16):
        for left in range(4, 16 * 20, 16):
            crowd[0, top : top + SQUARE, left : left + SQUARE] = YELLOW
    write_models(tmp_path)
    editor = factory(models=tmp_path)
    try:
        assert _is_cover(_faces(editor, crowd)).all()
    finally:
        editor.close()


def test_a_face_of_few_pixels_is_not_left_as_it_is_by_many_blocks(editor: EditorFactory) -> None:
    faces = [dark((40, 24)), dark((40, 24))]
    faces[0][28:32, 44:48:2, 2] = faces[1][28:32, 45:48:2, 2] = 200
    made = _faces(editor, stack(*faces), cover="pixelate", blocks=32).astype(int)
    assert np.abs(made[0] - made[1]).max() <= 40
