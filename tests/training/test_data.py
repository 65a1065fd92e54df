"""Pictures and clips from any folder, and crops that depend on nothing but their generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelwire.testing import picture, write_clip
from tests.training.material import write_picture
from training.data import Crops, Source, load_pictures, read_clip
from training.errors import TrainingError


def test_pictures_are_found_at_any_depth_and_scaled_down_to_the_shorter_side(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "b" / "large.png", picture(0, 120, 90))
    write_picture(tmp_path / "small.PNG", picture(1, 40, 30))
    found = load_pictures(Source(tmp_path, shorter_side_px=45))
    assert sorted(each.shape for each in found) == [(30, 40, 3), (45, 60, 3)]


def test_colours_are_red_first(tmp_path: Path) -> None:
    red = np.zeros((20, 20, 3), np.uint8)
    red[..., 0] = 255
    write_picture(tmp_path / "red.png", red)
    (found,) = load_pictures(Source(tmp_path))
    assert np.array_equal(found, red)


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (4, 4), (9, 9), (100, 9)])
def test_frames_of_a_clip_are_spread_over_its_length(asked: int, given: int, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 9, sound=False)
    frames = list(read_clip(clip, asked))
    assert len(frames) == given
    if asked == 4:
        assert [
            int(np.argmin([np.abs(frame.astype(int) - picture(i)).mean() for i in range(9)]))
            for frame in frames
        ] == [0, 2, 4, 6]


def test_more_pictures_than_the_limit_are_refused_before_memory_runs_out(tmp_path: Path) -> None:
    for index in range(3):
        write_picture(tmp_path / f"{index}.png", picture(index, 64, 64))
    with pytest.raises(TrainingError, match="fewer, or a smaller --frames-per-clip"):
        load_pictures(Source(tmp_path, most_bytes=2 * 64 * 64 * 3))


def test_crops_depend_on_their_generator_alone() -> None:
    crops = Crops([picture(0, 90, 60), picture(9, 50, 70)], 24)
    crops.draw(5, np.random.default_rng(1))
    one, two, three = (crops.draw(6, np.random.default_rng(seed)).numpy() for seed in (2, 2, 3))
    assert one.shape == (6, 3, 24, 24)
    assert one.min() >= 0
    assert one.max() <= 1
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_a_picture_smaller_than_the_crop_is_enlarged() -> None:
    drawn = Crops([picture(0, 16, 12)], 32).draw(3, np.random.default_rng(1))
    assert drawn.shape == (3, 3, 32, 32)
