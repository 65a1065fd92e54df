"""What a graph says of itself, and where its weights may lie."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import external_data_helper, helper

from reelwire.engines import open_engine
from reelwire.engines.graph import read_graph
from reelwire.errors import ModelUnusable
from tests.reelwire.models import graphs


def _with_weights_in(path: Path, location: str) -> Path:
    """A graph that multiplies by weights kept in a file of their own."""
    graphs.gain(path)
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        external_data_helper.set_external_data(tensor, location=location)
    weights = path.parent / location
    weights.parent.mkdir(exist_ok=True, parents=True)
    weights.write_bytes(np.array(graphs.GAIN, np.float32).tobytes())
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_graph_are_loaded_and_hashed(tmp_path: Path) -> None:
    path = _with_weights_in(tmp_path / "model.onnx", "weights.bin")
    facts = read_graph(path)
    both = path.read_bytes() + (tmp_path / "weights.bin").read_bytes()
    assert facts.external_files == ("weights.bin",)
    assert facts.sha256 == hashlib.sha256(both).hexdigest()
    result = open_engine(path).run({"frame": np.ones((1, 3, 2, 2), np.float32)})["result"]
    assert result[0, :, 0, 0].tolist() == list(graphs.GAIN)


def test_weights_outside_the_models_folder_are_refused(tmp_path: Path) -> None:
    path = _with_weights_in(tmp_path / "inner" / "model.onnx", "../weights.bin")
    with pytest.raises(ModelUnusable, match="outside its folder"):
        open_engine(path)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = _with_weights_in(tmp_path / "inner" / "model.onnx", "weights.bin")
    (tmp_path / "inner" / "weights.bin").rename(tmp_path / "weights.bin")
    (tmp_path / "inner" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(ModelUnusable, match="outside its folder"):
        open_engine(path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = _with_weights_in(tmp_path / "model.onnx", "weights.bin")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelUnusable, match=r'"weights\.bin", which is missing'):
        read_graph(path)


def test_operators_that_the_runtime_has_not_are_named(tmp_path: Path) -> None:
    shape = ("N", 3, "H", "W")
    path = graphs.save(
        tmp_path / "model.onnx",
        [helper.make_node("Sparkle", ["x"], ["y"], domain="acme.ops")],
        [("x", graphs.FLOAT, shape)],
        [("y", graphs.FLOAT, shape)],
    )
    assert read_graph(path).foreign_operators == ("acme.ops::Sparkle",)
    with pytest.raises(ModelUnusable, match=r"acme\.ops::Sparkle"):
        open_engine(path)


def test_precision_is_that_of_the_weights(tmp_path: Path) -> None:
    single = read_graph(graphs.gain(tmp_path / "single.onnx"))
    half = read_graph(graphs.gain(tmp_path / "half.onnx", type_=graphs.HALF))
    quantised = graphs.save(
        tmp_path / "quantised.onnx",
        [helper.make_node("DequantizeLinear", ["x", "step"], ["y"])],
        [("x", graphs.BYTES, ("N", 3, "H", "W"))],
        [("y", graphs.FLOAT, ("N", 3, "H", "W"))],
        {"step": np.array(1 / 255, np.float32)},
    )
    assert (single.precision, half.precision, read_graph(quantised).precision) == ("fp32", "fp16", "int8")
    assert single.parameter_count == 3
    assert single.opset == 20
