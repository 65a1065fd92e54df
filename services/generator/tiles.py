"""Splits frames over a model of fixed size: overlapping tiles, blended so that no seam shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelwire.media import Pixels
from reelwire.models.pictures import Floats, to_bytes
from reelwire.models.spec import pad_to

OVERLAP_PART = 8
"""Neighbours share at least a tile's length divided by this."""
Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TileAxis:
    """Tiles along one axis: where each starts, how long it is, how long the frame is; all in pixels."""

    starts: tuple[int, ...]
    tile: int
    total: int

    def weights(self, scale: int) -> list[Weights]:
        """For each tile, its share of each output pixel along this axis: rising and falling lines where
        neighbours overlap, summing to 1 everywhere."""
        length, total = self.tile * scale, self.total * scale
        place = np.arange(length, dtype=np.float32) + np.float32(0.5)
        ramp = max(1, self._overlap() * scale)
        shares = np.zeros((len(self.starts), max(total, length)), np.float32)
        for number, start in enumerate(self.starts):
            rising = np.minimum(place, ramp) if number else np.full(length, ramp, np.float32)
            last = number == len(self.starts) - 1
            falling = np.full(length, ramp, np.float32) if last else np.minimum(place[::-1], ramp)
            shares[number, start * scale : start * scale + length] = np.minimum(rising, falling)
        shares /= shares.sum(axis=0)
        return [
            shares[number, start * scale : start * scale + length] for number, start in enumerate(self.starts)
        ]

    def _overlap(self) -> int:
        """The smallest overlap of two neighbours."""
        steps = [after - before for before, after in zip(self.starts, self.starts[1:], strict=False)]
        return self.tile - max(steps, default=self.tile)


def cut_axis(total: int, tile: int) -> TileAxis:
    """Tiles of length ``tile`` over ``total`` pixels, evenly spread, the last one flush with the end; a
    single one where the frame is no longer than a tile."""
    if total <= tile:
        return TileAxis((0,), tile, total)
    stride = max(1, tile - tile // OVERLAP_PART)
    count = -(-(total - tile) // stride) + 1
    starts = tuple(number * (total - tile) // (count - 1) for number in range(count))
    return TileAxis(starts, tile, total)


class TileGrid:
    """The tiles of frames of one size; ``scale``: size of what comes out as a multiple of what goes in."""

    def __init__(self, rows: TileAxis, columns: TileAxis, scale: int) -> None:
        self._rows = rows
        self._columns = columns
        self._scale = scale
        self.corners = tuple((top, left) for top in rows.starts for left in columns.starts)
        shares = ((down, across) for down in rows.weights(scale) for across in columns.weights(scale))
        self._shares = tuple(shares) if len(self.corners) > 1 else ()

    def cut(self, frames: Pixels, corner: tuple[int, int]) -> Pixels:
        """(T, H, W, 3) → one tile of each; a frame smaller than a tile is padded at the bottom and right."""
        top, left = corner
        tile = frames[:, top : top + self._rows.tile, left : left + self._columns.tile]
        return pad_to(tile, self._rows.tile, self._columns.tile)

    def join(self, tiles: Sequence[Pixels]) -> Pixels:
        """One result for each corner, in order → whole frames; always added up in the same order."""
        height, width = self._rows.total * self._scale, self._columns.total * self._scale
        if not self._shares:
            return np.ascontiguousarray(tiles[0][:, :height, :width])
        whole: Floats = np.zeros(
            (
                len(tiles[0]),
                max(height, self._rows.tile * self._scale),
                max(width, self._columns.tile * self._scale),
                3,
            ),
            np.float32,
        )
        for (top, left), (down, across), tile in zip(self.corners, self._shares, tiles, strict=True):
            y, x = top * self._scale, left * self._scale
            share = (down[:, None] * across[None, :])[None, :, :, None]
            whole[:, y : y + tile.shape[1], x : x + tile.shape[2]] += tile * share
        return to_bytes(whole)[:, :height, :width]
