"""Small ONNX models that find what tests draw, and fail where tests want it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from tests.reelwire.models.graphs import FLOAT, INT64, save

SQUARE = 12  # pixels: the size of a "face" that the detector knows
DETECTOR = """
name = "squares"
version = "1"
task = "face-detection"
[input]
range = "0..255"
color = "rgb"
multiple = 4
min_size = 4
"""
SEGMENTER = """
name = "red"
version = "1"
task = "segmentation"
[input]
range = "0..1"
color = "rgb"
"""
CONSTANTS = {
    "full": 255.0,
    "almost": 250.0,
    "five": 5.0,
    "four": 4.0,
    "low": 0.0,
    "half": 0.5,
    "high": 1.0,
    "steep": 1e6,
    "size": math.log(SQUARE / 4),
    "single": [0.0],
}


def _save(
    folder: Path, name: str, manifest: str, nodes: list[onnx.NodeProto], outputs: list[tuple[str, int]]
) -> None:
    save(
        folder / name / "model.onnx",
        nodes,
        [("frame", FLOAT, ["N", 3, "H", "W"])],
        [(output, FLOAT, ["N", channels, "h", "w"]) for output, channels in outputs],
        {key: np.array(value, np.float32) for key, value in CONSTANTS.items()},
    )
    (folder / name / "model.toml").write_text(manifest)


def _trouble(white: str) -> list[onnx.NodeProto]:
    """Nodes that give "trouble": 0; NaN where the picture's largest blue is ``white``; where its smallest
    blue is, the runtime fails."""
    return [
        helper.make_node("Split", ["frame"], ["red", "green", "blue"], axis=1, num_outputs=3),
        helper.make_node("ReduceMax", ["blue"], ["most"], keepdims=0),
        helper.make_node("Sub", [white, "most"], ["room"]),
        helper.make_node("Reciprocal", ["room"], ["inverse"]),
        helper.make_node("Sub", ["inverse", "inverse"], ["none"]),
        helper.make_node("ReduceMin", ["blue"], ["least"], keepdims=0),
        helper.make_node("Div", ["least", white], ["part"]),
        helper.make_node("Cast", ["part"], ["place"], to=INT64),
        helper.make_node("Gather", ["single", "place"], ["zero"]),
        helper.make_node("Add", ["none", "zero"], ["trouble"]),
    ]


def write_models(folder: Path) -> Path:
    """Both."""
    write_detector(folder)
    write_segmenter(folder)
    return folder


def write_detector(folder: Path) -> None:
    """ "squares": finds yellow squares of SQUARE pixels as CenterFace finds faces, the surer the yellower and
    the nearer they lie to multiples of 4 pixels."""
    nodes = [
        *_trouble("full"),
        helper.make_node("Min", ["red", "green"], ["yellow"]),
        helper.make_node("Sub", ["yellow", "almost"], ["above"]),
        helper.make_node("Div", ["above", "five"], ["raw"]),
        helper.make_node("Clip", ["raw", "low", "high"], ["clear"]),
        helper.make_node(
            "AveragePool",
            ["clear"],
            ["filled"],
            kernel_shape=[SQUARE, SQUARE],
            strides=[4, 4],
            pads=[4, 4, 4, 4],
            count_include_pad=1,
        ),
        helper.make_node("Pow", ["filled", "four"], ["pooled"]),  # a clear peak
        helper.make_node("Add", ["pooled", "trouble"], ["heatmap"]),
        helper.make_node("Concat", ["pooled", "pooled"], ["twice"], axis=1),
        helper.make_node("Mul", ["twice", "low"], ["offset"]),
        helper.make_node("Add", ["offset", "size"], ["scale"]),
    ]
    _save(folder, "squares", DETECTOR, nodes, [("heatmap", 1), ("scale", 2), ("offset", 2)])


def write_segmenter(folder: Path) -> None:
    """ "red": a person is where red is above half; a mask of the picture's own size."""
    nodes = [
        *_trouble("high"),
        helper.make_node("Sub", ["red", "half"], ["above"]),
        helper.make_node("Mul", ["above", "steep"], ["far"]),
        helper.make_node("Clip", ["far", "low", "high"], ["clear"]),
        helper.make_node("Add", ["clear", "trouble"], ["mask"]),
    ]
    _save(folder, "red", SEGMENTER, nodes, [("mask", 1)])
