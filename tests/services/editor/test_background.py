"""background_blur and background_replace: what they keep, what they cover, and that they fail closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelwire.errors import BadParameter, ModelUnusable
from services.editor.stage import EditorFactory
from tests.services.editor.models import write_models
from tests.services.editor.pictures import DARK, FAULTS, HEIGHT, WIDTH, dark, stack
from tests.services.editor.streams import (
    NextStage,
    change,
    chunk,
    factory,
    open_stream,
    run_clip,
    video,
    whole_stream,
)


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorFactory]:
    models, assets = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("assets")
    write_models(models)
    halves = np.zeros((40, 60, 3), np.uint8)
    halves[:, 30:] = (0, 0, 200)
    Image.fromarray(halves).save(assets / "halves.png")
    (assets / "text.png").write_text("no picture")
    editor = factory(assets, models)
    yield editor
    editor.close()


@pytest.mark.parametrize("name", ["blur_faces", "background_blur", "background_replace"])
def test_the_model_is_pinned_for_the_stream_and_told_to_what_follows(
    name: str, editor: EditorFactory
) -> None:
    after = NextStage()
    params = {"model": "squares" if name == "blur_faces" else "red"}
    stage = open_stream(editor, [(name, params)], [video(WIDTH, HEIGHT)], after).stage
    (pinned,) = after.models
    assert (pinned.stage, pinned.name) == ("editor", params["model"])
    assert len(pinned.sha256) == 64
    with pytest.raises(BadParameter, match="model is fixed"):
        stage.control(change(0, 5, model="other"))


def test_two_effects_with_one_model_name_it_once(editor: EditorFactory) -> None:
    after = NextStage()
    wanted = [("background_blur", {"model": "red"}), ("background_replace", {"model": "red"})]
    open_stream(editor, wanted, [video(WIDTH, HEIGHT)], after)
    assert [model.name for model in after.models] == ["red"]


RED_SIDE = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
RED_SIDE[:, : WIDTH // 2] = (200, 50, 30)
RED_SIDE[::4, WIDTH // 2 :] = (100, 150, 90)  # stripes in the background


@pytest.mark.parametrize("name", ["background_blur", "background_replace"])
def test_people_stay_as_they_are_and_the_background_does_not(name: str, editor: EditorFactory) -> None:
    made = run_clip(editor, [(name, {"model": "red", "feather": 0.0})], stack(RED_SIDE)).pixels[0]
    person, behind = np.s_[:, : WIDTH // 2 - 2], np.s_[:, WIDTH // 2 + 2 :]
    np.testing.assert_array_equal(made[person], RED_SIDE[person])
    if name == "background_replace":
        assert (made[behind] == (0, 0xB1, 0x40)).all()
    else:
        assert made[behind].std(axis=0).max() < RED_SIDE[behind].std(axis=0).max() / 2
        assert made[behind][..., 0].max() <= 100, "a person's colour bleeds into the background"


def test_a_picture_is_put_behind_people_over_the_whole_frame(editor: EditorFactory) -> None:
    params = {"model": "red", "picture": "halves.png", "smoothing_s": 0.0}
    made = run_clip(editor, [("background_replace", params)], stack(dark())).pixels[0]
    assert (made[:, : WIDTH // 2 - 8] == 0).all()
    assert (made[:, WIDTH // 2 + 8 :] == (0, 0, 200)).all()


def test_a_background_that_is_no_picture_is_refused(editor: EditorFactory) -> None:
    with pytest.raises(BadParameter, match=r"text\.png") as caught:
        open_stream(
            editor, [("background_replace", {"model": "red", "picture": "text.png"})], [video(WIDTH, HEIGHT)]
        )
    assert caught.value.field == "picture"


def test_the_mask_follows_over_the_time_that_was_asked_for(editor: EditorFactory) -> None:
    red, black = dark(), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red[...] = (200, 0, 0)
    params = {"model": "red", "smoothing_s": 0.2, "feather": 1.0, "color": "#000064"}
    result = run_clip(editor, [("background_replace", params)], stack(red, *[black] * 10))
    blue = [int(each[10, 10, 2]) for each in result.pixels]
    expected = [100 * (1 - np.exp(-index / 25 / 0.2)) for index in range(11)]
    np.testing.assert_allclose(blue, expected, atol=1.0)


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize("name", ["background_blur", "background_replace"])
def test_where_the_mask_fails_everything_is_covered(name: str, how: str, editor: EditorFactory) -> None:
    after = NextStage()
    params = {"model": "red", "strength": 0.1} if name == "background_blur" else {"model": "red"}
    failing = np.full((HEIGHT, WIDTH, 3), (200, 0, 255), np.uint8)  # all of it red enough to be a person
    failing[::2] = (250, 90, 255)
    if how == "nan":
        failing[1, 1, 2] = 0
    opened = open_stream(editor, [(name, params)], [video(WIDTH, HEIGHT)], after)
    good = dark()
    good[...] = (250, 0, 0)
    made = whole_stream(opened, chunk(stack(good, failing, good))).pixels
    np.testing.assert_array_equal(made[0], good)
    if name == "background_replace":
        assert (made[1] == (0, 0xB1, 0x40)).all()
    else:
        assert np.abs(np.diff(made[1].astype(int), axis=0)).max() < 20
    np.testing.assert_array_equal(made[2], good)
    assert len(after.notices) == 1


@pytest.mark.parametrize("name", ["background_blur", "background_replace"])
def test_the_model_that_ships_sees_nobody_in_an_empty_picture_whatever_the_chunks(
    name: str, editor: EditorFactory
) -> None:
    pixels = stack(*[dark()] * 4)
    results = [run_clip(editor, [(name, {})], pixels, each) for each in (1, 3)]
    assert results[0].bytes == results[1].bytes
    (made, *_) = results[0].pixels
    expected = (0, 0xB1, 0x40) if name == "background_replace" else dark()[0, 0]
    np.testing.assert_allclose(made, np.broadcast_to(expected, made.shape), atol=1)


def test_a_model_that_gives_no_mask_is_refused_when_the_stream_opens(editor: EditorFactory) -> None:
    with pytest.raises(ModelUnusable, match="expected a mask"):
        open_stream(editor, [("background_blur", {"model": "identity"})], [video(WIDTH, HEIGHT)])


def test_the_mask_lies_on_the_person_where_the_model_sees_a_padded_picture(tmp_path: Path) -> None:
    write_models(tmp_path)
    with (tmp_path / "red" / "model.toml").open("a") as manifest:
        manifest.write("multiple = 32\n")
    picture = np.full((50, 70, 3), 30, np.uint8)
    picture[20:, 40:] = (255, 30, 30)
    editor = factory(models=tmp_path)
    try:
        wanted = [("background_replace", {"model": "red", "color": "#0000ff", "feather": 0.0})]
        (made,) = run_clip(editor, wanted, stack(picture)).pixels
    finally:
        editor.close()
    expected = np.where(picture[..., :1] == 255, picture, np.array((0, 0, 255), np.uint8))
    np.testing.assert_array_equal(made, expected)
