"""Makes faces unrecognisable."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from reelwire.engines.backend import Array
from reelwire.media import Pixels
from reelwire.models.loading import LoadedModel
from services.editor.effect import Frame, Output, Place, StreamEffect
from services.editor.face_memory import FaceMemory, HoldParams
from services.editor.faces import Boxes, check_outputs, decode
from services.editor.params import choice, exact, hex_color, integer, number, rgb_of, string
from services.editor.picture_model import Failures, PictureModel

DETECTOR_PREFIX = "detector "
BLUR_PART = 0.25  # sigma as a part of a face's width
MIN_BLOCK_PIXELS = 4.0  # smaller blocks would leave a small face as it is


@dataclass(frozen=True, slots=True)
class Params:
    """What counts as a face, how much around it is covered, and how."""

    cover: str = choice(
        "pixelate",
        ("opaque", "pixelate", "blur"),
        "How faces are covered; only opaque leaves nothing of them.",
    )
    threshold: float = number(
        0.3, 0.02, 0.95, "How sure the detector must be of a new face; half of it is enough for a known one."
    )
    margin: float = number(0.25, 0, 2, "Covered around a face, on each side, as a part of its size.")
    hold_s: float = number(1.0, 0, 60, "Seconds for which a face stays covered after it was last found.")
    blocks: int = integer(6, 2, 32, "Blocks across a pixelated face.")
    color: str = hex_color(
        "#000000", "The colour of opaque covers, and of a whole frame where detection fails."
    )
    detail: int = integer(
        640,
        96,
        4096,
        "Longer side in pixels of the picture in which faces are looked for; more finds smaller ones.",
    )
    model: str = string("centerface", 128, "The face detector, NAME or NAME@VERSION.", fixed=True)


class Effect(StreamEffect[Params, Params]):
    """Remembers where faces were. Where the detector fails, or there are more faces than are kept, the whole
    frame is covered."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._detectors: dict[int, PictureModel] = {}
        self._model: LoadedModel | None = None
        self._memory = FaceMemory()
        self._failures = Failures(place, "blur_faces")

    def prepare(self, params: Params) -> Params:
        """UnknownModel, ModelUnusable: there is no such model, or it finds no faces."""
        if self._model is None:
            self._model = self.place.open_model(params.model)
        if params.detail not in self._detectors:
            detector = PictureModel(self._model, params.detail, self.place.size)
            try:
                check_outputs(detector.try_once(), self._model.name)
            except BaseException:
                detector.close()
                raise
            self._detectors[params.detail] = detector
        return params

    def models(self) -> tuple[LoadedModel, ...]:
        """The detector."""
        return (self._model,) if self._model else ()

    def feed(self, frame: Frame, ready: Params) -> Iterable[Output]:
        """The frame, its faces covered."""
        hold = HoldParams(ready.threshold, exact(ready.hold_s))
        try:
            boxes = self._memory.update(self._find(frame.pixels, ready), frame.time_s, hold)
        except Exception as error:
            self._failures.count(frame.pts, str(error))
            self._detectors[ready.detail].reset()
            whole = np.empty_like(frame.pixels)
            whole[...] = rgb_of(ready.color)
            return (frame.showing(whole),)
        if not len(boxes):
            return (frame,)
        return (frame.showing(_covered(frame.pixels, boxes, ready)),)

    def close(self) -> None:
        """Frees what the engine keeps for this stream."""
        for detector in self._detectors.values():
            detector.close()

    def save(self) -> dict[str, Array]:
        """The faces, and the state of a detector that has one."""
        states = {
            f"{DETECTOR_PREFIX}{detail} {name}": array
            for detail, detector in self._detectors.items()
            for name, array in detector.save().items()
        }
        return {**self._memory.save(), **states}

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``."""
        self._memory.load(saved)
        for detail, detector in self._detectors.items():
            prefix = f"{DETECTOR_PREFIX}{detail} "
            detector.load({k.removeprefix(prefix): saved[k] for k in saved if k.startswith(prefix)})

    def _find(self, rgb: Pixels, params: Params) -> Boxes:
        """All faces of at least half the threshold, in pixels of the frame. Raises what the model does."""
        detector = self._detectors[params.detail]
        boxes = decode(detector.run(rgb), params.threshold / 2)
        boxes[:, 0:4:2] *= rgb.shape[1] / detector.width
        boxes[:, 1:4:2] *= rgb.shape[0] / detector.height
        return boxes


def _covered(rgb: Pixels, boxes: Boxes, params: Params) -> Pixels:
    """A copy of the frame, with every box and its margin covered; the largest first."""
    made = rgb.copy()
    height, width = rgb.shape[:2]
    for left, top, right, bottom, _ in sorted(boxes.tolist(), key=lambda b: -(b[2] - b[0]) * (b[3] - b[1])):
        across, down = (right - left) * params.margin, (bottom - top) * params.margin
        x0, x1 = max(0, math.floor(left - across)), min(width, math.ceil(right + across))
        y0, y1 = max(0, math.floor(top - down)), min(height, math.ceil(bottom + down))
        if x0 < x1 and y0 < y1:
            _cover(made[y0:y1, x0:x1], right - left, params)
    return made


def _cover(part: Pixels, face_width: float, params: Params) -> None:
    """Covers a part of a frame in place."""
    height, width = part.shape[:2]
    if params.cover == "opaque":
        part[...] = rgb_of(params.color)
    elif params.cover == "blur":
        sigma = max(1.0, face_width * BLUR_PART)
        part[...] = cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    else:
        side = max(MIN_BLOCK_PIXELS, face_width / params.blocks)
        size = (max(1, round(width / side)), max(1, round(height / side)))
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        part[...] = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
