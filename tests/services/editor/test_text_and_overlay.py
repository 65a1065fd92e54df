"""text and overlay: what they draw, where, when, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelwire.errors import BadParameter, TooLarge
from reelwire.media import Pixels
from services.editor.glyphs import BUNDLED
from services.editor.layers import ANCHORS
from services.editor.stage import EditorFactory
from tests.services.editor.streams import Params, factory, open_stream, run_clip, video

WIDTH, HEIGHT = 160, 120
BLACK = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)
TEXT: Params = {"text": "Hxg", "size": 0.2, "x": 0.5, "y": 0.5}


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorFactory]:
    assets = tmp_path_factory.mktemp("assets")
    (assets / "own.ttf").write_bytes(BUNDLED.read_bytes())
    (assets / "broken.ttf").write_bytes(b"no font at all")
    Image.new("RGBA", (20, 10), (255, 0, 0, 255)).save(assets / "red.png")
    Image.new("RGBA", (20, 10), (255, 0, 0, 128)).save(assets / "half.png")
    Image.new("RGB", (20, 10), (255, 0, 0)).save(assets / "solid.png")
    (assets / "cut.png").write_bytes((assets / "red.png").read_bytes()[:60])
    Image.new("1", (10000, 10000)).save(assets / "bomb.png")
    Image.new("RGBA", (1, 3000)).save(assets / "tall.png")
    editor = factory(assets)
    yield editor
    editor.close()


def _made(editor: EditorFactory, name: str, pixels: Pixels = BLACK, **params: object) -> list[Pixels]:
    given = {**(TEXT if name == "text" else {}), **params}
    return run_clip(editor, [(name, given)], pixels).pixels


def _box(rgb: Pixels) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not black."""
    rows, columns = np.nonzero(rgb.any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_text_is_written_where_its_anchor_lies(editor: EditorFactory) -> None:
    for anchor, (across, down) in ANCHORS.items():
        left, top, right, bottom = _box(_made(editor, "text", anchor=anchor)[0])
        assert abs(left + (right - left) * across - WIDTH / 2) <= 3, anchor
        assert abs(top + (bottom - top) * down - HEIGHT / 2) <= 3, anchor


def test_size_is_the_height_of_a_line(editor: EditorFactory) -> None:
    heights = []
    for size in (0.1, 0.2, 0.4):
        _, top, _, bottom = _box(_made(editor, "text", text="H", size=size)[0])
        heights.append((bottom - top) / (size * HEIGHT))
    np.testing.assert_allclose(heights, 0.73, atol=0.1)  # an H is about three quarters of a line


def test_colour_opacity_and_box_are_what_was_asked_for(editor: EditorFactory) -> None:
    (plain,) = _made(editor, "text", color="#ff8000")
    assert (plain.reshape(-1, 3).max(axis=0) == (255, 128, 0)).all()
    (half,) = _made(editor, "text", color="#ff8000", opacity=0.5)
    np.testing.assert_allclose(half.reshape(-1, 3).max(axis=0), (128, 64, 0), atol=1)
    (boxed,) = _made(editor, "text", box=True, box_color="#0000ff", box_opacity=1.0)
    left, top, right, bottom = _box(boxed)
    assert (boxed[top : top + 2, left:right] == (0, 0, 255)).all()
    inner = _box(plain)
    assert left < inner[0]
    assert bottom > inner[3]


def test_what_lies_under_a_box_shows_through_it(editor: EditorFactory) -> None:
    white = np.full_like(BLACK, 255)
    (made,) = _made(editor, "text", white, text="x", box=True, box_opacity=0.25)
    corner = np.argwhere((made != 255).any(axis=2))[0]
    assert made[tuple(corner)].tolist() == [191, 191, 191]


@pytest.mark.parametrize(
    "text", ["Grüße", "Привет", "Γειά", "שלום", "مرحبا", "გამარჯობა", "Բարեւ", "x\u0301", "a\u200db"]
)
def test_the_font_that_comes_along_has_many_scripts(text: str, editor: EditorFactory) -> None:
    assert _made(editor, "text", text=text)[0].any()


def test_complex_scripts_are_shaped(editor: EditorFactory) -> None:
    joined = _made(editor, "text", text="ععع")[0]
    apart = _made(editor, "text", text="ع\u200cع\u200cع")[0]
    assert not np.array_equal(joined, apart), "letters of Arabic join"


@pytest.mark.parametrize("text", ["漢字", "हिन्दी", "a\ue000"])
def test_a_letter_that_the_font_does_not_have_is_refused_by_name(text: str, editor: EditorFactory) -> None:
    with pytest.raises(BadParameter, match=r"U\+") as caught:
        _made(editor, "text", text=text)
    assert caught.value.field == "font"
    assert "Cyrillic" in caught.value.message


def test_a_font_of_ones_own_is_used_and_a_broken_one_refused(editor: EditorFactory) -> None:
    np.testing.assert_array_equal(_made(editor, "text", font="own.ttf")[0], _made(editor, "text")[0])
    with pytest.raises(BadParameter, match=r"broken\.ttf") as caught:
        _made(editor, "text", font="broken.ttf")
    assert caught.value.field == "font"


@pytest.mark.parametrize("name", ["text", "overlay"])
def test_it_is_seen_in_its_time_only(name: str, editor: EditorFactory) -> None:
    params: Params = {"start_s": 0.2, "end_s": 0.4} | ({"picture": "red.png"} if name == "overlay" else {})
    made = _made(editor, name, BLACK.repeat(15, axis=0), **params)
    assert [bool(each.any()) for each in made] == [5 <= index < 10 for index in range(15)]


@pytest.mark.parametrize("place", [{"x": -1, "y": 0.5}, {"x": 2, "y": 2}, {"text": "   "}])
def test_text_that_cannot_be_seen_changes_nothing(place: Params, editor: EditorFactory) -> None:
    assert not _made(editor, "text", **place)[0].any()


def test_text_that_would_fill_the_memory_is_refused(editor: EditorFactory) -> None:
    with pytest.raises(BadParameter, match="pixels; make it shorter"):
        _made(editor, "text", text="x" * 1000, size=1.0)


def test_an_overlay_is_scaled_and_placed(editor: EditorFactory) -> None:
    params = {"picture": "red.png", "x": 0.25, "y": 0.5, "anchor": "top-left", "scale": 0.5}
    (made,) = _made(editor, "overlay", **params)
    assert _box(made) == (40, 60, 120, 100)
    assert (made[60:100, 40:120] == (255, 0, 0)).all()


@pytest.mark.parametrize(("picture", "level"), [("red.png", 255), ("half.png", 128), ("solid.png", 255)])
@pytest.mark.parametrize("opacity", [1.0, 0.5])
def test_an_overlays_alpha_and_opacity_mix_it_with_the_frame(
    picture: str, level: int, opacity: float, editor: EditorFactory
) -> None:
    green = BLACK.copy()
    green[..., 1] = 200
    params = {"picture": picture, "x": 0.5, "y": 0.5, "anchor": "center", "scale": 0.5, "opacity": opacity}
    (made,) = _made(editor, "overlay", green, **params)
    alpha = level * opacity / 255
    np.testing.assert_allclose(made[60, 80], (255 * alpha, 200 * (1 - alpha), 0), atol=1)


def test_an_overlay_that_hangs_over_the_edge_is_cut(editor: EditorFactory) -> None:
    params = {"picture": "red.png", "x": 0.0, "y": 0.0, "anchor": "center", "scale": 0.5}
    (made,) = _made(editor, "overlay", **params)
    assert _box(made) == (0, 0, 40, 20)


@pytest.mark.parametrize(
    ("picture", "error"),
    [("cut.png", BadParameter), ("own.ttf", BadParameter), ("bomb.png", TooLarge), ("tall.png", TooLarge)],
)
def test_what_is_no_picture_or_far_too_large_is_refused(
    picture: str, error: type[Exception], editor: EditorFactory
) -> None:
    with pytest.raises(error):
        open_stream(editor, [("overlay", {"picture": picture, "scale": 1.0})], [video(WIDTH, HEIGHT)])


def test_a_font_file_is_found_only_where_fonts_may_be(editor: EditorFactory) -> None:
    assert Path(BUNDLED).is_file()
    with pytest.raises(Exception, match="outside REELWIRE_ASSET_ROOT"):
        _made(editor, "text", font=str(BUNDLED))
