"""The contract of every engine, on ONNX Runtime."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from reelwire.engines import TensorSpec, open_engine
from reelwire.errors import BadPayload, ModelUnusable, OutsideShapeProfile
from tests.reelwire.models import graphs


def test_inputs_and_outputs_say_name_type_and_shape(tmp_path: Path) -> None:
    engine = open_engine(graphs.voice(tmp_path / "model.onnx"))
    assert engine.inputs == (
        TensorSpec("input", "float32", ("?", "?")),
        TensorSpec("state", "float32", (2, "?", 8)),
        TensorSpec("sr", "int64", ()),
    )
    assert engine.outputs[1] == TensorSpec("stateN", "float32", (2, "?", 8))  # as the runtime infers


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_get_the_bytes_that_one_gets(tmp_path: Path, threads: int) -> None:
    engine = open_engine(graphs.quarter_mixing(tmp_path / "model.onnx", named=True), threads=threads)
    random = np.random.default_rng(7)
    feeds = [
        {
            "frame": random.random((1, 3, 64, 48), np.float32),
            "h": random.random((1, 3, 16, 12), np.float32),
        }
        for _ in range(16)
    ]
    alone = [engine.run(feed)["picture"].tobytes() for feed in feeds]
    with ThreadPoolExecutor(8) as pool:
        together = [result["picture"].tobytes() for result in pool.map(engine.run, feeds)]
    assert together == alone


@pytest.mark.parametrize(
    ("feeds", "error", "words"),
    [
        ({"picture": np.zeros((1, 3, 4, 4), np.float32)}, BadPayload, "missing: .'frame'."),
        ({"frame": np.zeros((1, 3, 4, 4), np.float64)}, BadPayload, "given float64"),
        ({"frame": np.zeros((1, 4, 4, 4), np.float32)}, OutsideShapeProfile, r"given \[1, 4, 4, 4\]"),
        ({"frame": np.zeros((3, 4, 4), np.float32)}, OutsideShapeProfile, r"given \[3, 4, 4\]"),
    ],
    ids=["name", "type", "length", "rank"],
)
def test_wrong_inputs_are_refused_by_name(
    tmp_path: Path, feeds: dict[str, np.ndarray], error: type[Exception], words: str
) -> None:
    engine = open_engine(graphs.gain(tmp_path / "model.onnx"))
    with pytest.raises(error, match=words):
        engine.run(feeds)


def test_a_failing_run_is_one_line_and_leaves_the_engine_usable(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(graphs.gain(tmp_path / "model.onnx", multiple=8))
    with pytest.raises(ModelUnusable) as caught:
        engine.run({"frame": np.zeros((1, 3, 9, 9), np.float32)})
    assert "\n" not in caught.value.message
    assert engine.run({"frame": np.zeros((1, 3, 8, 8), np.float32)})["result"].shape == (1, 3, 8, 8)
    assert capfd.readouterr().err == ""


def test_a_graph_that_cannot_load_says_why(tmp_path: Path) -> None:
    shape = ("N", 3, "H", "W")
    path = graphs.save(
        tmp_path / "model.onnx",
        [helper.make_node("NoSuchOperator", ["x"], ["y"])],
        [("x", graphs.FLOAT, shape)],
        [("y", graphs.FLOAT, shape)],
    )
    with pytest.raises(ModelUnusable, match="NoSuchOperator"):
        open_engine(path)


def test_the_runtime_reports_nothing_about_its_use(tmp_path: Path) -> None:
    model = graphs.gain(tmp_path / "model.onnx")
    home = tmp_path / "home"
    home.mkdir()
    program = (
        f"import pathlib, reelwire.engines as engines; engines.open_engine(pathlib.Path({str(model)!r}))"
    )
    keep = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", program], env={**keep, "HOME": str(home)}, check=True)
    assert list(home.rglob("*onnxruntime*")) == [], "its telemetry keeps a database in the home folder"
