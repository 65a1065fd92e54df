"""What a training needs, small and made up: pictures, a clip, a style, a classifier's features as ONNX."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reelwire.media import Pixels
from reelwire.testing import picture, write_clip

LAYERS = "relu1,join"
CONTENT_LAYER = "join"


def write_picture(path: Path, rgb: Pixels) -> Path:
    """A PNG of (H, W, 3) uint8 RGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rgb[..., ::-1])
    return path


def stripes(height: int = 80, width: int = 72) -> Pixels:
    """(height, width, 3): a style that is easy to tell, blue and yellow."""
    rows, columns = np.mgrid[:height, :width]
    blue = (rows + columns) // 6 % 2 == 0
    return np.where(blue[..., None], (20, 40, 200), (250, 220, 40)).astype(np.uint8)


def write_features(path: Path, *, operator: str = "Relu") -> Path:
    """conv1 → relu1 → pool1 → conv2 and conv3 → join: the operators of SqueezeNet, random weights."""
    random = np.random.default_rng(7)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        values = random.normal(0, 0.5 / np.sqrt(np.prod(shape[1:])), shape)
        return numpy_helper.from_array(values.astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["data", "w1", "b1"], ["conv1"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node(operator, ["conv1"], ["relu1"]),
        helper.make_node("MaxPool", ["relu1"], ["pool1"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        helper.make_node("Conv", ["pool1", "w2"], ["conv2"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["pool1", "w3"], ["conv3"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Concat", ["conv2", "conv3"], ["join"], axis=1),
    ]
    free = ["N", 3, "H", "W"]
    graph = helper.make_graph(
        nodes,
        "features",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, free)],
        [helper.make_tensor_value_info("join", TensorProto.FLOAT, ["N", 8, None, None])],
        [weights("w1", 8, 3, 3, 3), weights("b1", 8), weights("w2", 4, 8, 1, 1), weights("w3", 4, 8, 3, 3)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, str(path))
    return path


def write_material(folder: Path) -> Path:
    """``folder`` with data/ (pictures and a clip), style.png and features.onnx."""
    for index, size in enumerate([(64, 48), (90, 60)]):
        write_picture(folder / "data" / f"{index}.png", picture(index * 5, *size))
    write_clip(folder / "data" / "clip.mp4", 6, sound=False)
    write_picture(folder / "style.png", stripes())
    write_features(folder / "features.onnx")
    return folder


def arguments(material: Path, out: Path, **changed: object) -> list[str]:
    """The command line of a training that takes milliseconds a step."""
    values: dict[str, object] = {
        "out": out,
        "data": material / "data",
        "style": material / "style.png",
        "features": material / "features.onnx",
        "style_layers": LAYERS,
        "content_layer": CONTENT_LAYER,
        "style_px": 64,
        "crop": 32,
        "narrow": 4,
        "wide": 6,
        "blocks": 1,
        "rate": 0.01,
        "steps": 40,
        "threads": 1,
        **changed,
    }
    return ["restyle", *(word for name, value in values.items() for word in _option(name, value))]


def _option(name: str, value: object) -> tuple[str, str]:
    return f"--{name.replace('_', '-')}", str(value)
