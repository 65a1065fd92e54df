"""A model that an effect asks about each frame: brought to its size, run, checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing

import cv2
import numpy as np

from reelwire import metrics
from reelwire.engines.backend import Array
from reelwire.errors import ModelUnusable, ReelwireError
from reelwire.media import Pixels
from reelwire.models.loading import LoadedModel
from reelwire.models.probe import GRAY
from reelwire.models.recurrent import StatefulRunner
from reelwire.v1.pipeline_pb2 import Notice
from services.editor.effect import Place

log = logging.getLogger(__name__)


class PictureModel:
    """One stream's use of a model that all streams share; carries its recurrent state, if it has one."""

    def __init__(self, model: LoadedModel, longest_side: int, frame: tuple[int, int]) -> None:
        """``longest_side`` in pixels: frames are made smaller to it where the model's size is free.
        ``frame``: width and height. ModelUnusable: the model takes no single picture. OutsideShapeProfile:
        not this size."""
        self.model = model
        try:
            picture = model.spec.picture_input
            if model.spec.window.frames != 1:
                raise ModelUnusable("it takes windows of frames, an effect asks about one at a time")
            if model.spec.free_inputs:
                names = ", ".join(tensor.name for tensor in model.spec.free_inputs)
                raise ModelUnusable(f"it needs more than a picture: {names}")
        except ModelUnusable as error:
            raise ModelUnusable(f'model "{model.name}": {error.message}', field="model") from None
        shrink = min(1.0, longest_side / max(frame))
        self.width = picture.width or max(model.spec.min_size, round(frame[0] * shrink))
        self.height = picture.height or max(model.spec.min_size, round(frame[1] * shrink))
        self._padded = model.spec.padded_size(self.height, self.width)
        self._input = picture.name
        self._runner = StatefulRunner(model)

    def run(self, rgb: Pixels) -> dict[str, Array]:
        """What the model says about (H, W, 3) uint8 RGB, states left out. Raises as ``Engine.run``."""
        return self._run(self._runner, rgb)

    def without_padding(self, answer: Array) -> Array:
        """(h, w) over all that the model saw → the part over the picture, to the nearest cell."""
        high = max(1, round(answer.shape[0] * self.height / self._padded[0]))
        wide = max(1, round(answer.shape[1] * self.width / self._padded[1]))
        return answer[:high, :wide]

    def try_once(self) -> dict[str, Array]:
        """What it says about gray; leaves no trace. ModelUnusable: it cannot run."""
        gray = np.full((self.height, self.width, 3), GRAY, np.uint8)
        try:
            with closing(StatefulRunner(self.model)) as trial:
                return self._run(trial, gray)
        except ReelwireError as error:
            raise ModelUnusable(f'model "{self.model.name}": {error.message}', field="model") from None

    def close(self) -> None:
        """Frees what the engine keeps for this stream."""
        self._runner.close()

    def reset(self) -> None:
        """Forgets what it has seen."""
        self._runner.reset()

    def save(self) -> dict[str, Array]:
        """Its state."""
        return self._runner.state()

    def load(self, state: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not this model's."""
        self._runner.load(state)

    def _run(self, runner: StatefulRunner, rgb: Pixels) -> dict[str, Array]:
        if rgb.shape[:2] != (self.height, self.width):
            smaller = rgb.shape[0] * rgb.shape[1] > self.height * self.width
            how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            rgb = np.asarray(cv2.resize(rgb, (self.width, self.height), interpolation=how), np.uint8)
        outputs = runner.run({self._input: self.model.spec.to_tensor(rgb[None])})
        states = {state.output for state in self.model.spec.states}
        return {name: array for name, array in outputs.items() if name not in states}


class Failures:
    """Frames that an effect covered whole because its model failed: counted, logged, told once."""

    def __init__(self, place: Place, effect: str) -> None:
        self._place = place
        self._effect = effect
        self._told = False
        self._counter = metrics.EFFECT_FAILED_FRAMES.labels(effect)

    def count(self, pts: int, why: str) -> None:
        """One more."""
        self._counter.inc()
        if self._told:
            return
        self._told = True
        text = (
            f'effect "{self._effect}" covers the whole frame at pts {pts} and wherever its model fails: {why}'
        )
        log.warning("%s", text)
        self._place.notice(Notice.KIND_DEGRADED, text)
