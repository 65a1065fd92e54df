"""Tiles over frames larger than a model takes: no seam, no gap, any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.generator.tiles import TileGrid, cut_axis
from tests.reelwire.models import graphs
from tests.reelwire.models.running import assert_near, levels
from tests.services.generator.streams import clip, factory, open_stream, video, whole_stream

GAIN = np.array(graphs.GAIN)


@pytest.mark.parametrize("total", [1, 9, 10, 11, 19, 20, 64, 101])
@pytest.mark.parametrize("tile", [1, 2, 10, 16])
def test_tiles_cover_every_pixel_and_their_shares_add_up_to_one(total: int, tile: int) -> None:
    axis = cut_axis(total, tile)
    assert axis.starts[0] == 0
    assert axis.starts[-1] == max(0, total - tile)
    assert all(
        0 < after - before <= tile for before, after in zip(axis.starts, axis.starts[1:], strict=False)
    )
    for scale in (1, 2, 4):
        summed = np.zeros(max(total, tile) * scale)
        for start, shares in zip(axis.starts, axis.weights(scale), strict=True):
            summed[start * scale : start * scale + len(shares)] += shares
        np.testing.assert_allclose(summed, 1, atol=1e-6)


@pytest.mark.parametrize("size", [(30, 41), (16, 16), (15, 70), (7, 9), (64, 48)])
def test_cutting_and_joining_gives_the_frame_back(size: tuple[int, int]) -> None:
    frames = clip(2, *size)
    grid = TileGrid(cut_axis(size[0], 16), cut_axis(size[1], 16), 1)
    tiles = [grid.cut(frames, corner) for corner in grid.corners]
    assert {tile.shape for tile in tiles} == {(2, 16, 16, 3)}
    np.testing.assert_array_equal(grid.join(tiles), frames)


def test_where_tiles_disagree_one_fades_into_the_other() -> None:
    grid = TileGrid(cut_axis(16, 16), cut_axis(28, 16), 1)
    dark, light = (np.full((1, 16, 16, 3), level, np.uint8) for level in (0, 200))
    row = grid.join([dark, light])[0, 8, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 200
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() <= 60


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(40, 64), (48, 64), (100, 150), (33, 200)])
def test_a_model_of_fixed_size_runs_on_frames_of_any_size(
    tmp_path: Path, scale: int, height: int, width: int
) -> None:
    graphs.gain(tmp_path / "fixed.onnx", size=(48, 64), scale=scale)
    generator = factory(tmp_path)
    pixels = clip(2, height, width)
    opened = open_stream(generator, video(width, height), model="fixed")
    assert_near(whole_stream(opened, pixels), levels(pixels * GAIN).repeat(scale, 1).repeat(scale, 2))
    generator.close()
