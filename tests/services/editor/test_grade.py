"""grade: what each of its parameters does to levels and colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reelwire.errors import BadParameter, ReelwireError
from reelwire.media import Pixels
from services.editor.stage import EditorFactory
from tests.services.editor.assets import cube
from tests.services.editor.streams import (
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
)

GRAYS = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, axis=3)


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assets")


@pytest.fixture(scope="module")
def editor(assets: Path) -> Iterator[EditorFactory]:
    editor = factory(assets)
    yield editor
    editor.close()


def _grade(editor: EditorFactory, pixels: Pixels, **params: object) -> np.ndarray:
    wanted: Params = dict(params)
    return run_clip(editor, [("grade", wanted)], pixels).pixels[0].astype(float)


def test_brightness_shifts_levels_and_contrast_stretches_them_from_the_middle(editor: EditorFactory) -> None:
    levels = GRAYS[0].astype(float)
    np.testing.assert_allclose(
        _grade(editor, GRAYS, brightness=0.2, contrast=1.5),
        ((levels - 127.5) * 1.5 + 127.5 + 51).clip(0, 255),
        atol=0.5001,
    )
    assert (_grade(editor, GRAYS, contrast=0) == 128).all()


def test_saturation_moves_colours_from_gray_and_keeps_gray_and_luma(editor: EditorFactory) -> None:
    luma = np.array([0.2126, 0.7152, 0.0722])
    colours = np.random.default_rng(5).integers(64, 192, (1, 16, 16, 3), np.uint8)
    for amount in (0.0, 0.5, 1.3):
        made = _grade(editor, colours, saturation=amount)
        np.testing.assert_allclose(made @ luma, colours[0] @ luma, atol=1.0)
        gray = (colours[0] @ luma)[..., None]
        np.testing.assert_allclose(made - gray, (colours[0] - gray) * amount, atol=1.0)
    np.testing.assert_array_equal(_grade(editor, GRAYS, saturation=3), GRAYS[0])


@pytest.mark.parametrize("kelvin", [1700, 2500, 4000, 5000, 9000, 25000])
def test_temperature_makes_white_warmer_below_6500_and_cooler_above(
    kelvin: float, editor: EditorFactory
) -> None:
    middle = np.full((1, 4, 4, 3), 120, np.uint8)
    red, green, blue = _grade(editor, middle, temperature=kelvin)[0, 0]
    assert (red > green > blue) if kelvin < 6500 else (red < blue)


def test_the_planckian_locus_has_no_step_where_its_splines_meet(editor: EditorFactory) -> None:
    middle = np.full((1, 4, 4, 3), 120, np.uint8)
    for kelvin in (2222, 4000):
        below, above = (_grade(editor, middle, temperature=kelvin + d)[0, 0] for d in (-1, 1))
        assert np.abs(below - above).max() <= 2


def test_a_table_turns_colours_into_those_it_holds(editor: EditorFactory, assets: Path) -> None:
    (assets / "inverse's table.cube").write_text(cube(2, lambda r, g, b: (1 - r, g, b * b)))
    colours = clip(1)
    made = _grade(editor, colours, lut="inverse's table.cube")
    np.testing.assert_allclose(made[..., 0], 255 - colours[0, ..., 0].astype(float), atol=1)
    np.testing.assert_allclose(made[..., 1], colours[0, ..., 1], atol=1)


def test_a_table_that_says_its_domain_and_has_comments_is_read(editor: EditorFactory, assets: Path) -> None:
    text = cube(3, lambda r, g, b: (r, g, b)).replace("LUT_3D", "# made for a test\nDOMAIN_MIN 0 0 0\nLUT_3D")
    (assets / "same.cube").write_text(text + "\n# the end\n")
    np.testing.assert_allclose(_grade(editor, clip(1), lut="same.cube"), clip(1)[0], atol=1)


GOOD = cube(2, lambda r, g, b: (r, g, b)).splitlines()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*GOOD[:4], "0.1 0.2", *GOOD[5:]], "line 5: '0.1 0.2' is not three numbers"),
        ([*GOOD[:4], "0.1 nan 0", *GOOD[5:]], "line 5: '0.1 nan 0' is not three numbers"),
        ([*GOOD[:4], "nan 0 0", *GOOD[5:]], "line 5: 'nan 0 0' is not three numbers"),
        ([*GOOD[:4], "0.1 0.2 x", *GOOD[5:]], "line 5"),
        (
            [*GOOD[:1], "LUT_3D_SIZE 1000", *GOOD[2:]],
            "line 2: expected LUT_3D_SIZE and a number from 2 to 128",
        ),
        ([*GOOD[:1], "LUT_1D_SIZE 8", *GOOD[2:]], "line 2: a 1D table"),
        ([*GOOD[:1], "LUT_9D_SIZE 2", *GOOD[2:]], 'line 2: "LUT_9D_SIZE" is no keyword'),
        (GOOD[:-1], "ends after 7 colours; expected 8"),
        ([*GOOD, "0 0 0"], "line 11: more than 8 colours"),
        (GOOD[2:], "line 1: colours before LUT_3D_SIZE"),
        ([], "no LUT_3D_SIZE"),
    ],
)
def test_a_damaged_table_is_refused_with_the_line(
    lines: list[str], words: str, editor: EditorFactory, assets: Path
) -> None:
    (assets / "bad.cube").write_text("\n".join(lines))
    with pytest.raises(BadParameter, match=words) as caught:
        _grade(editor, clip(1), lut="bad.cube")
    assert caught.value.field == "lut"


def test_bytes_that_are_no_text_are_refused_with_the_line(editor: EditorFactory, assets: Path) -> None:
    (assets / "bytes.cube").write_bytes(b"LUT_3D_SIZE 2\n\xff\xfe\n")
    with pytest.raises(BadParameter, match="line 2: not text"):
        _grade(editor, clip(1), lut="bytes.cube")


def test_a_table_can_come_and_go_while_a_stream_runs(editor: EditorFactory, assets: Path) -> None:
    (assets / "black.cube").write_text(cube(2, lambda r, g, b: (0, 0, 0)))
    stage = open_stream(editor, [("grade", {})], [video(64, 48)]).stage
    stage.control(change(0, 2, lut="black.cube"))
    stage.control(change(0, 4, lut=""))
    with pytest.raises(ReelwireError, match=r"missing.cube"):
        stage.control(change(0, 6, lut="missing.cube"))
    pixels = clip(7)
    made = joined(feed(stage, chunk(pixels))).pixels
    assert [not each.any() for each in made] == [False, False, True, True, False, False, False]
