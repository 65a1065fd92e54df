"""A classifier in ncnn's form becomes the ONNX file that training takes, or one line says why not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from training.features import MEAN_BGR, OnnxFeatures
from training.ncnn import main

PARAM = """7767517
9 10
Input            data   0 1 data 0=32 1=32 2=3
Convolution      conv1  1 1 data conv1 0=6 1=3 2=1 3=2 4=0 5=1 6=162
ReLU             relu1  1 1 conv1 conv1_relu1 0=0.000000
Pooling          pool1  1 1 conv1_relu1 pool1 0=0 1=3 2=2 3=0 4=0
Split            split0 1 2 pool1 pool1_0 pool1_1
Convolution      left   1 1 pool1_0 left 0=2 1=1 2=1 3=1 4=0 5=1 6=12
Convolution      right  1 1 pool1_1 right 0=3 1=3 2=1 3=1 4=1 5=1 6=162
Concat           join   2 1 left right join 0=0
Pooling          mean   1 1 join mean 0=1 1=0 2=1 3=0 4=1
"""
SHAPES = ((6, 3, 3, 3), (2, 6, 1, 1), (3, 6, 3, 3))
Values = list[tuple[torch.Tensor, torch.Tensor]]


def write_network(folder: Path) -> Values:
    """net.param and net.bin; gives the weights and biases in them."""
    random = np.random.default_rng(2)
    stored, values = b"", []
    for shape in SHAPES:
        weight = random.normal(0, 0.1, shape).astype("<f4")
        bias = random.normal(0, 0.1, shape[0]).astype("<f4")
        stored += struct.pack("<I", 0) + weight.tobytes() + bias.tobytes()
        values.append((torch.from_numpy(weight), torch.from_numpy(bias)))
    (folder / "net.param").write_text(PARAM)
    (folder / "net.bin").write_bytes(stored)
    return values


def command(folder: Path) -> list[str]:
    """Converts the network of ``folder``."""
    return [str(folder / "net.param"), str(folder / "net.bin"), str(folder / "net.onnx")]


def test_a_converted_network_computes_what_its_layers_say(tmp_path: Path) -> None:
    (first, left, right) = write_network(tmp_path)
    assert main(command(tmp_path)) == 0
    onnx.checker.check_model(onnx.load(str(tmp_path / "net.onnx")), full_check=True)
    rgb = torch.rand(2, 3, 37, 41)
    data = rgb.flip(1) * 255 - torch.tensor(MEAN_BGR).view(1, 3, 1, 1)
    small = functional.max_pool2d(
        functional.relu(functional.conv2d(data, *first, stride=2)), 3, 2, ceil_mode=True
    )
    wanted = torch.cat([functional.conv2d(small, *left), functional.conv2d(small, *right, padding=1)], dim=1)
    got = OnnxFeatures(tmp_path / "net.onnx", ["conv1_relu1", "join"])(rgb)["join"]
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-3)


def half_precision(folder: Path) -> None:
    """Weights that are stored in 16 bits."""
    stored = (folder / "net.bin").read_bytes()
    (folder / "net.bin").write_bytes(struct.pack("<I", 0x01306B47) + stored[4:])


def cut_off(folder: Path) -> None:
    """The last bytes are missing."""
    stored = (folder / "net.bin").read_bytes()
    (folder / "net.bin").write_bytes(stored[:-4])


def binary_param(folder: Path) -> None:
    """The layers in ncnn's binary form."""
    (folder / "net.param").write_bytes(b"\xdd\x85\x76\x00\x00\xff")


def without_input(folder: Path) -> None:
    """A network that begins in the middle."""
    lines = PARAM.splitlines()
    (folder / "net.param").write_text("\n".join([*lines[:2], *lines[3:]]))


def unknown_first(folder: Path) -> None:
    """Nothing that can be converted."""
    lines = PARAM.splitlines()
    (folder / "net.param").write_text("\n".join([*lines[:3], "LSTM rnn 1 1 data rnn 0=4"]))


def no_weights(folder: Path) -> None:
    """One of the two files alone."""
    (folder / "net.bin").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (half_precision, "net.bin is not stored in float32 (flag 0x1306b47)"),
        (cut_off, "net.bin ends early"),
        (binary_param, "net.param is no ncnn .param file in text form"),
        (without_input, "net.param does not begin with an Input layer"),
        (unknown_first, "net.param begins with no layer that can be converted"),
        (no_weights, "net.bin: No such file"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_converted_is_said_in_one_line(
    spoil: object, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_network(tmp_path)
    assert callable(spoil)
    spoil(tmp_path)
    assert main(command(tmp_path)) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "net.onnx").exists()
