"""CenterFace's answer → boxes.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point" (2019): each cell of a map of
a quarter of the picture's size says how sure it is to be a face's centre, where in it the centre lies, and
the logarithm of the face's height and width in cells.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from reelwire.engines.backend import Array
from reelwire.errors import ModelUnusable

Boxes = npt.NDArray[np.float64]
"""(N, 5): left, top, right, bottom in pixels of the picture that the model saw, and the score, 0 to 1."""
STRIDE = 4
MOST_OVERLAP = 0.3
MAX_CANDIDATES = 2000
OUTPUTS = ("heatmap", "scale", "offset")


def check_outputs(outputs: Mapping[str, Array], model: str) -> None:
    """ModelUnusable: not such maps."""
    shapes = {name: array.shape for name, array in outputs.items()}
    heat = shapes.get("heatmap", ())
    size = heat[2:]
    if len(heat) == 4 and all(
        shapes.get(n) == (1, c, *size) for n, c in zip(OUTPUTS, (1, 2, 2), strict=True)
    ):
        return
    raise ModelUnusable(
        f'model "{model}" gives {shapes}; expected heatmap [1, 1, h, w], scale and offset [1, 2, h, w]',
        field="model",
    )


def decode(outputs: Mapping[str, Array], threshold: float) -> Boxes:
    """Faces of at least this score, the surest first, each once. ModelUnusable: no such maps, or numbers that
    are none."""
    check_outputs(outputs, "detector")
    heat, scale, offset = (np.asarray(outputs[name][0], np.float64) for name in OUTPUTS)
    if not (np.isfinite(heat).all() and np.isfinite(scale).all() and np.isfinite(offset).all()):
        raise ModelUnusable("the detector gave NaN or infinity")
    rows, columns = np.nonzero(heat[0] >= threshold)
    scores = heat[0, rows, columns]
    if len(scores) > MAX_CANDIDATES:
        raise ModelUnusable(f"the detector sees {len(scores)} faces; expected at most {MAX_CANDIDATES}")
    tall, wide = np.exp(np.minimum(scale[:, rows, columns], 12)) * STRIDE
    down = (rows + offset[0, rows, columns] + 0.5) * STRIDE
    right = (columns + offset[1, rows, columns] + 0.5) * STRIDE
    boxes = np.stack([right - wide / 2, down - tall / 2, right + wide / 2, down + tall / 2, scores], axis=1)
    return without_doubles(boxes)


def without_doubles(boxes: Boxes) -> Boxes:
    """Of boxes that overlap by more than MOST_OVERLAP the surest (non-maximum suppression)."""
    left = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    kept = []
    while len(left):
        kept.append(left[0])
        left = left[1:][overlap(left[0], left[1:]) <= MOST_OVERLAP]
    return np.array(kept).reshape(-1, 5)


def overlap(box: npt.NDArray[np.float64], boxes: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over union of one box with each of several."""
    corner = np.maximum(box[:2], boxes[:, :2])
    sides = np.clip(np.minimum(box[2:4], boxes[:, 2:4]) - corner, 0, None)
    shared = sides.prod(axis=1)
    areas = (boxes[:, 2:4] - boxes[:, :2]).prod(axis=1)
    union = (box[2:4] - box[:2]).prod() + areas - shared
    ratio: npt.NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio
