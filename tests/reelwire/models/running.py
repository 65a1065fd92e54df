"""Runs a model directory as a stream does, in a few lines, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from reelwire.media import Pixels
from reelwire.models import LoadedModel, ModelLibrary, StatefulRunner


@contextmanager
def opened(folder: Path, name: str = "model") -> Iterator[LoadedModel]:
    """The model ``name`` of a model folder, closed afterwards."""
    library = ModelLibrary([folder])
    try:
        yield library.open(name)
    finally:
        library.close()


def picture(height: int = 37, width: int = 53, frames: int = 1, seed: int = 5) -> Pixels:
    """Random pixels (frames, height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), np.uint8)


def through(model: LoadedModel, rgb: Pixels, runner: StatefulRunner | None = None) -> Pixels:
    """One run on a window of frames."""
    outputs = (runner or StatefulRunner(model)).run(
        {model.spec.picture_input.name: model.spec.to_tensor(rgb)}
    )
    height, width = rgb.shape[1:3]
    scale = model.spec.scale
    return model.spec.to_pixels(outputs[model.spec.picture_output.name], (height * scale, width * scale))


def levels(values: np.ndarray) -> Pixels:
    """Levels of 0 to 255 as pixels: rounded half up, clipped."""
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def assert_near(got: Pixels, want: Pixels, by: int = 1) -> None:
    """Equal shapes; no pixel further off than ``by``, which rounding in single precision may cost."""
    assert got.shape == want.shape
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - want).max() <= by
