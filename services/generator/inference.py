"""One stream's frames through one model: tiles, state, checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing

import numpy as np

from reelwire.engines.backend import Array
from reelwire.errors import BadPayload, ModelUnusable, OutsideShapeProfile
from reelwire.media import Pixels
from reelwire.models.loading import LoadedModel
from reelwire.models.probe import GRAY, PROBE_SIDE
from reelwire.models.recurrent import StatefulRunner
from services.generator.tiles import TileGrid, cut_axis

STATE_KEY = "state {place} {name}"
OWNER_KEY = "state owner"


class FrameModel:
    """Runs windows of frames of one size, one at a time; a state for each tile."""

    def __init__(
        self, model: LoadedModel, height: int, width: int, release: Callable[[], None] = lambda: None
    ) -> None:
        """``height`` and ``width`` in pixels; ``release`` gives the model back, when this is closed.
        OutsideShapeProfile: a size that the model does not take. ModelUnusable: its input or result is no
        picture."""
        self._release = release
        self._model = model
        self._spec = model.spec
        try:
            self._input, self._output = self._spec.picture_input, self._spec.picture_output
        except ModelUnusable as error:
            raise ModelUnusable(f'model "{model.name}": {error.message}', field="model") from None
        self._size = f"{width}x{height}"
        self._owner = [model.sha256, self._size]
        rows = cut_axis(height, self._input.height or height)
        columns = cut_axis(width, self._input.width or width)
        self._grid = TileGrid(rows, columns, self._spec.scale)
        self._tile = (rows.tile, columns.tile)
        self._runners: list[StatefulRunner] = []
        with ExitStack() as undo:
            undo.callback(self.close)
            for _ in self._grid.corners:
                self._runners.append(StatefulRunner(model))
            self._check_size()
            undo.pop_all()

    def run(self, frames: Pixels, pts: int) -> Pixels:
        """(W, H, W, 3) uint8 RGB → (T, H * scale, W * scale, 3); ``pts`` is named in errors.

        ModelUnusable: the result holds NaN or infinity, or the runtime failed.
        """
        tiles = []
        for corner, runner in zip(self._grid.corners, self._runners, strict=True):
            tensor = self._spec.to_tensor(self._grid.cut(frames, corner))
            try:
                outputs = runner.run({self._input.name: tensor})
            except ModelUnusable as error:
                raise ModelUnusable(
                    f'model "{self._model.name}" failed at pts {pts}, {self._size}: {error.message}',
                    field="model",
                ) from None
            tiles.append(self._pixels(outputs, pts))
        return self._grid.join(tiles)

    @property
    def engine_words(self) -> str:
        """What runs it: "onnxruntime, cpu, fp32"."""
        engine = self._model.engine
        return f"{engine.backend}, {engine.device}, {engine.precision}"

    def close(self) -> None:
        """Frees what the engine keeps for this stream, and gives the model back. May be called twice."""
        for runner in self._runners:
            runner.close()
        self._release()

    def save(self) -> dict[str, Array]:
        """The state of every tile, and which model and size it belongs to."""
        states = {
            STATE_KEY.format(place=place, name=name): array
            for place, runner in enumerate(self._runners)
            for name, array in runner.state().items()
        }
        return {OWNER_KEY: np.array(self._owner), **states}

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not this model's state, or for another size."""
        owner = [str(part) for part in np.atleast_1d(saved.get(OWNER_KEY, ()))]
        if owner != self._owner:
            raise BadPayload(
                f"the saved state is of {owner or 'no model'}, expected {self._owner}; start the stream again"
            )
        for place, runner in enumerate(self._runners):
            prefix = STATE_KEY.format(place=place, name="")
            runner.load({k.removeprefix(prefix): saved[k] for k in saved if k.startswith(prefix)})

    def _pixels(self, outputs: Mapping[str, Array], pts: int) -> Pixels:
        tensor = outputs[self._output.name]
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ModelUnusable(
                f'model "{self._model.name}" gave NaN or infinity for the frame at pts {pts}; expected '
                "finite values: check the range in model.toml, or export the model in fp32",
                field="model",
            )
        height, width = self._tile
        size = (height * self._spec.scale, width * self._spec.scale)
        pixels = self._spec.to_pixels(tensor, size)
        if pixels.shape != (self._spec.window.output_frames, *size, 3):
            raise self._outside(f"its output is {list(tensor.shape)}")
        return pixels

    def _check_size(self) -> None:
        """Says at the start what would fail on the first frame: cheaply where a side is small, which is
        where graphs fail; the others were probed when the model was loaded."""
        height, width = self._tile
        try:
            self._spec.padded_size(height, width)
            fixed = self._input.height is not None and self._input.width is not None
            if fixed or min(height, width) >= PROBE_SIDE:
                return
            gray = np.full((self._spec.window.frames, height, width, 3), GRAY, np.uint8)
            with closing(StatefulRunner(self._model)) as trial:
                self._pixels(trial.run({self._input.name: self._spec.to_tensor(gray)}), 0)
        except (OutsideShapeProfile, ModelUnusable, BadPayload) as error:
            raise self._outside(error.message) from None

    def _outside(self, why: str) -> OutsideShapeProfile:
        return OutsideShapeProfile(
            f'model "{self._model.name}" cannot run on {self._size} frames: {why}; scale the input to a size '
            "that it takes",
            field="model",
        )
