"""A classifier's inner layers: the same numbers as the runtime that the file was made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from training.features import MEAN_BGR, OnnxFeatures


def test_features_are_what_the_runtime_computes_from_bgr_minus_the_mean(material: Path) -> None:
    path = material / "features.onnx"
    rgb = np.random.default_rng(3).random((2, 3, 37, 41), np.float32)
    data = rgb[:, ::-1] * 255 - np.array(MEAN_BGR, np.float32).reshape(1, 3, 1, 1)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(["join"], {"data": data})
    got = OnnxFeatures(path, ["relu1", "join"])(torch.from_numpy(rgb))
    assert set(got) == {"relu1", "join"}
    np.testing.assert_allclose(got["join"].numpy(), wanted, rtol=1e-4, atol=1e-3)


def test_features_learn_nothing_but_pass_gradients_on(material: Path) -> None:
    features = OnnxFeatures(material / "features.onnx", ["relu1"])
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    features(picture)["relu1"].sum().backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0
    assert all(not parameter.requires_grad for parameter in features.parameters())
