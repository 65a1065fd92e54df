"""Graphs for batches: whose rows touch each other, and with the work of real networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper

from tests.reelwire.models.graphs import FLOAT, save


def scaled(path: Path) -> Path:
    """frame x gain; the gain is an input of length 1 that is no row."""
    shape = ("N", 3, "H", "W")
    return save(
        path,
        [helper.make_node("Mul", ["frame", "gain"], ["result"])],
        [("frame", FLOAT, shape), ("gain", FLOAT, (1,))],
        [("result", FLOAT, shape)],
    )


def row_mean(path: Path) -> Path:
    """Couples the rows of a batch: each picture minus the mean over axis 0, plus itself."""
    shape = ("N", 3, "H", "W")
    nodes = [
        helper.make_node("ReduceMean", ["frame", "axis"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["frame", "mean"], ["off"]),
        helper.make_node("Add", ["frame", "off"], ["result"]),
    ]
    constants = {"axis": np.array([0], np.int64)}
    return save(path, nodes, [("frame", FLOAT, shape)], [("result", FLOAT, shape)], constants)


def row_rounded(path: Path) -> Path:
    """Couples the rows in their last bits only: (x / N) * N, which rounds for most batches of 3."""
    shape = ("N", 3, "H", "W")
    nodes = [
        helper.make_node("Shape", ["frame"], ["count"], start=0, end=1),
        helper.make_node("Cast", ["count"], ["rows"], to=FLOAT),
        helper.make_node("Div", ["frame", "rows"], ["small"]),
        helper.make_node("Mul", ["small", "rows"], ["result"]),
    ]
    return save(path, nodes, [("frame", FLOAT, shape)], [("result", FLOAT, shape)])


def row_mean_state(path: Path) -> Path:
    """Recurrent: y = x + 0 * h, h' = mean over axis 0 of x, spread over the rows: only the state couples."""
    shape = ("N", 3, "H", "W")
    nodes = [
        helper.make_node("ReduceMean", ["frame", "axis"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["frame", "zero"], ["none"]),
        helper.make_node("Add", ["none", "mean"], ["h_out"]),
        helper.make_node("Mul", ["h_in", "zero"], ["nothing"]),
        helper.make_node("Add", ["frame", "nothing"], ["picture"]),
    ]
    constants = {"axis": np.array([0], np.int64), "zero": np.array(0, np.float32)}
    return save(
        path,
        nodes,
        [("frame", FLOAT, shape), ("h_in", FLOAT, shape)],
        [("picture", FLOAT, shape), ("h_out", FLOAT, shape)],
        constants,
    )


def convolving(path: Path) -> Path:
    """Two convolutions of 32 channels with random weights: the work of a small real network."""
    shape = ("N", 3, "H", "W")
    return save(
        path,
        [
            helper.make_node("Conv", ["frame", "first"], ["deep"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["deep"], ["bent"]),
            helper.make_node("Conv", ["bent", "second"], ["flat"], pads=[1, 1, 1, 1]),
            helper.make_node("Sigmoid", ["flat"], ["result"]),
        ],
        [("frame", FLOAT, shape)],
        [("result", FLOAT, shape)],
        {"first": _weights(32, 3), "second": _weights(3, 32)},
    )


def remembering(path: Path) -> Path:
    """Recurrent: h' = tanh(conv(x) + conv(h)) of 16 channels, y = sigmoid(conv(h'))."""
    picture, state = ("N", 3, "H", "W"), ("N", 16, "H", "W")
    pads = [1, 1, 1, 1]
    return save(
        path,
        [
            helper.make_node("Conv", ["frame", "of_frame"], ["seen"], pads=pads),
            helper.make_node("Conv", ["h_in", "of_state"], ["known"], pads=pads),
            helper.make_node("Add", ["seen", "known"], ["both"]),
            helper.make_node("Tanh", ["both"], ["h_out"]),
            helper.make_node("Conv", ["h_out", "to_picture"], ["flat"], pads=pads),
            helper.make_node("Sigmoid", ["flat"], ["picture"]),
        ],
        [("frame", FLOAT, picture), ("h_in", FLOAT, state)],
        [("picture", FLOAT, picture), ("h_out", FLOAT, state)],
        {"of_frame": _weights(16, 3), "of_state": _weights(16, 16), "to_picture": _weights(3, 16)},
    )


def _weights(out: int, given: int) -> np.ndarray:
    random = np.random.default_rng(out * 100 + given)
    return random.normal(0, 1 / np.sqrt(9 * given), (out, given, 3, 3)).astype(np.float32)
