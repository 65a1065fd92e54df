"""A model that cannot be used says why, and the lines it asks for make it work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from reelwire.errors import ModelUnusable
from reelwire.models import explain
from tests.reelwire.models import graphs
from tests.reelwire.models.running import opened

PICTURE = ("N", 3, "H", "W")
FLOAT = graphs.FLOAT


def _two_pictures(path: Path) -> Path:
    return graphs.save(
        path,
        [helper.make_node("Add", ["left", "right"], ["sum"])],
        [("left", FLOAT, PICTURE), ("right", FLOAT, PICTURE)],
        [("sum", FLOAT, PICTURE)],
    )


def _two_results(path: Path) -> Path:
    return graphs.save(
        path,
        [helper.make_node("Abs", ["frame"], ["a"]), helper.make_node("Neg", ["frame"], ["b"])],
        [("frame", FLOAT, PICTURE)],
        [("a", FLOAT, PICTURE), ("b", FLOAT, PICTURE)],
    )


def _odd_state(path: Path) -> Path:
    """A state whose names give nothing away."""
    return graphs.mixing(path, given="memory", got="remembered")


def _with_strength(path: Path) -> Path:
    return graphs.save(
        path,
        [helper.make_node("Mul", ["frame", "amount"], ["result"])],
        [("frame", FLOAT, PICTURE), ("amount", FLOAT, ())],
        [("result", FLOAT, PICTURE)],
    )


def _any_window(path: Path) -> Path:
    return graphs.window_mean(path, frames="T", each=True)


def _centre(path: Path) -> Path:
    return graphs.window_mean(path, frames=5, each=False)


def _scores(path: Path) -> Path:
    return graphs.save(
        path,
        [
            helper.make_node("GlobalAveragePool", ["frame"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        [("frame", FLOAT, PICTURE)],
        [("scores", FLOAT, ("N", 3))],
    )


def _negative(path: Path, shape: graphs.Shape) -> Path:
    return graphs.save(
        path,
        [helper.make_node("Neg", ["frame"], ["result"])],
        [("frame", FLOAT, shape)],
        [("result", FLOAT, shape)],
    )


def _gray(path: Path) -> Path:
    return _negative(path, ("N", 1, "H", "W"))


def _transparent(path: Path) -> Path:
    return _negative(path, ("N", 4, "H", "W"))


def _batch_of_two(path: Path) -> Path:
    return _negative(path, (2, 3, 8, 8))


def _always_nan(path: Path) -> Path:
    return graphs.save(
        path,
        [helper.make_node("Neg", ["frame"], ["minus"]), helper.make_node("Sqrt", ["minus"], ["result"])],
        [("frame", FLOAT, PICTURE)],
        [("result", FLOAT, PICTURE)],
    )


def _growing(path: Path) -> Path:
    """A state that gets a row longer with each run."""
    return graphs.save(
        path,
        [
            helper.make_node("ReduceMean", ["frame", "axes"], ["row"], keepdims=0),  # (N, 3)
            helper.make_node("Concat", ["h_in", "row"], ["h_out"], axis=0),
            helper.make_node("Identity", ["frame"], ["result"]),
        ],
        [("frame", FLOAT, PICTURE), ("h_in", FLOAT, ("K", 3))],
        [("result", FLOAT, PICTURE), ("h_out", FLOAT, ("L", 3))],
        {"axes": np.array([2, 3], np.int64)},
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_two_pictures, "several inputs could be the picture"),
        (_two_results, "several outputs could be the picture"),
        (_odd_state, "neither the picture nor, by its name, a state"),
        (_with_strength, '"amount".*neither the picture'),
        (_any_window, "any number of frames"),
        (_centre, "some are lost"),
        (_scores, 'no output is a picture.*"scores"'),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_is_missing_is_said_and_the_lines_that_say_it_are_enough(
    tmp_path: Path, make: graphs.Maker, words: str
) -> None:
    path = make(tmp_path / "model" / "model.onnx")
    explained = explain(path)
    assert words.split(".*")[0] in explained.problem
    with pytest.raises(ModelUnusable, match=f"{words}.*write in model.toml: ") as caught, opened(tmp_path):
        pass
    assert "\n" not in caught.value.message
    (path.parent / "model.toml").write_text(explained.fix)
    if make is _two_pictures:  # the other picture has to come from somewhere as well
        explained = explain(path)
        (path.parent / "model.toml").write_text(explained.fix + '\n[input]\nname = "left"\n')
    assert explain(path).problem == ""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_gray, "no input can be a picture"),
        (_transparent, "no input can be a picture"),
        (_batch_of_two, "takes batches of 2"),
        (_always_nan, "NaN or infinity for a mid-gray"),
        (_growing, 'state "h_in" grew'),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_what_cannot_work_is_refused_in_words(tmp_path: Path, make: graphs.Maker, words: str) -> None:
    path = make(tmp_path / "model.onnx")
    with pytest.raises(ModelUnusable, match=words), opened(tmp_path):
        pass
    assert words in explain(path).problem


def test_a_folder_without_a_graph_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04")
    explained = explain(tmp_path)
    assert "no model.onnx" in explained.problem
    assert "weights.pth" in explained.problem


def test_several_graphs_in_one_folder_ask_which(tmp_path: Path) -> None:
    graphs.gain(tmp_path / "small.onnx")
    graphs.gain(tmp_path / "large.onnx")
    assert "several graphs (large.onnx, small.onnx)" in explain(tmp_path).problem


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04.", b"nonsense"])
def test_files_that_are_no_graph_are_explained_not_raised(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert "model.onnx" in explain(path).problem
    assert "no model" in explain(tmp_path / "nowhere").problem
