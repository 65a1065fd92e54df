"""``auto`` takes the fastest that is like enough, and says why not the others; on real engines and made
graphs whose precisions differ in what they compute and how long it takes."""

from __future__ import annotations

import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from reelwire.engines.graph import read_graph, sha256_of
from reelwire.engines.select import Wanted
from reelwire.errors import ModelUnusable
from reelwire.models.considered import Considered
from reelwire.models.decisions import MAX_FILE_BYTES
from reelwire.models.loading import LoadedModel, load_model, read_files
from reelwire.models.location import locate
from tests.reelwire.models import graphs

ORT = Wanted("onnxruntime")
MOST_ROUNDS = 8
SHAPE = ("N", 3, "H", "W")


def blurring(path: Path, rounds: int, *, scale: float = 1.0, faulty: bool = False) -> Path:
    """``scale`` times the picture after so many averages of 7 x 7 that are each taken back: the time grows
    with ``rounds``, the result does not. ``faulty``: loads, and fails on every run."""
    nodes = [helper.make_node("Mul", ["frame", "scale"], ["kept"])]
    last = "frame"
    for number in range(rounds):
        nodes.append(
            helper.make_node("AveragePool", [last], [f"mean{number}"], kernel_shape=[7, 7], pads=[3, 3, 3, 3])
        )
        last = f"mean{number}"
    nodes.append(helper.make_node("Mul", [last, "nothing"], ["gone"]))
    nodes.append(helper.make_node("Add", ["kept", "gone"], ["sum"]))
    constants = {"scale": np.array(scale, np.float32), "nothing": np.array(0, np.float32)}
    if faulty:
        constants["wrong"] = np.zeros((1, 3, 5, 7), np.float32)
        nodes.append(helper.make_node("Add", ["sum", "wrong"], ["result"]))
    else:
        nodes.append(helper.make_node("Identity", ["sum"], ["result"]))
    return graphs.save(
        path, nodes, [("frame", graphs.FLOAT, SHAPE)], [("result", graphs.FLOAT, SHAPE)], constants
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder in which nothing was decided."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("REELWIRE_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    """A model that takes its time."""
    blurring(tmp_path / "net" / "model.onnx", MOST_ROUNDS)
    return tmp_path / "net"


def describe(folder: Path, *, sample: bool = True, min_psnr_db: float = 30.0) -> None:
    """Writes model.toml for the graphs in the folder: model.u8s8.onnx, if it is there, is its int8."""
    lines = [f"[quality]\nmin_psnr_db = {min_psnr_db}"]
    if sample:
        frame = np.random.default_rng(1).random((1, 3, 24, 32), np.float32)
        np.savez(folder / "sample.npz", **{"input frame": frame, "output result": frame})
        lines.append(f'[sample]\nfile = "sample.npz"\nsha256 = "{sha256_of((folder / "sample.npz",))}"')
    other = folder / "model.u8s8.onnx"
    if other.exists():
        lines.append(
            f'[[variants]]\nfile = "{other.name}"\nprecision = "int8"\nform = "u8s8"\n'
            f'sha256 = "{read_graph(other).sha256}"'
        )
    (folder / "model.toml").write_text("\n".join(lines))


def load(folder: Path, wanted: Wanted = ORT) -> LoadedModel:
    model = load_model(read_files(locate(folder)), wanted, 1)
    model.close()
    return model


def told(model: LoadedModel, what: str) -> Considered:
    (found,) = (each for each in model.considered if f"{each.backend} {each.precision}".strip() == what)
    return found


def test_a_precision_that_is_faster_and_like_enough_is_taken_and_the_figures_are_told(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1, scale=0.99)
    describe(folder)
    model = load(folder)
    assert (model.engine.backend, model.engine.precision) == ("onnxruntime", "int8")
    taken, exact = told(model, "onnxruntime int8"), told(model, "onnxruntime fp32")
    assert taken.problem == ""
    assert 40 < (taken.psnr_db or 0) < 60
    assert (taken.ms or 0) < (exact.ms or 0)
    assert "onnxruntime int8 is" in exact.problem
    assert "times as fast" in exact.problem
    assert str(taken).startswith("onnxruntime int8: taken, ")
    assert " ms, " in str(taken)


def test_one_below_the_floor_is_not_taken_however_fast_it_is(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1, scale=0.5)
    describe(folder)
    model = load(folder)
    assert model.engine.precision == "fp32"
    assert "dB, at least 30 passes" in told(model, "onnxruntime int8").problem


def test_one_that_is_no_faster_is_not_taken_however_exact_it_is(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 2 * MOST_ROUNDS)
    describe(folder)
    model = load(folder)
    assert model.engine.precision == "fp32"
    assert "at least 1.15 counts" in told(model, "onnxruntime int8").problem


def test_without_a_sample_only_what_is_exact_may_be_taken(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1)
    describe(folder, sample=False)
    model = load(folder)
    assert model.engine.precision == "fp32"
    assert "no [sample]" in told(model, "onnxruntime int8").problem


def test_one_that_fails_to_run_is_left_out_with_the_reason(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1, faulty=True)
    describe(folder)
    model = load(folder)
    assert model.engine.precision == "fp32"
    assert "the sample's run failed" in told(model, "onnxruntime int8").problem


def test_one_that_fails_to_load_is_left_out_with_the_reason(folder: Path) -> None:
    graphs.save(
        folder / "model.u8s8.onnx",
        [helper.make_node("NoSuchOperator", ["frame"], ["result"])],
        [("frame", graphs.FLOAT, SHAPE)],
        [("result", graphs.FLOAT, SHAPE)],
    )
    describe(folder)
    model = load(folder)
    assert model.engine.precision == "fp32"
    assert "NoSuchOperator" in told(model, "onnxruntime int8").problem


def test_auto_says_of_every_backend_why_it_was_not_taken_in_one_line_each(folder: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    describe(folder)
    model = load(folder, Wanted())
    assert "onnxruntime-gpu" in told(model, "cuda").problem or "driver" in told(model, "cuda").problem
    assert "fix: " in told(model, "cuda").problem
    (taken,) = (each for each in model.considered if not each.problem)
    assert (taken.backend, taken.precision) == (model.engine.backend, model.engine.precision)
    assert {"openvino fp32", "onnxruntime fp32"} <= {
        f"{each.backend} {each.precision}" for each in model.considered
    }
    assert all("\n" not in str(each) for each in model.considered)


def test_a_named_backend_and_precision_is_that_one_or_an_error(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 2 * MOST_ROUNDS)
    describe(folder)
    slow = load(folder, Wanted("onnxruntime", "int8"))
    assert (slow.engine.backend, slow.engine.precision) == ("onnxruntime", "int8")
    with pytest.raises(
        ModelUnusable, match='cannot run in "fp16" on backend "onnxruntime"; it has fp32, int8'
    ):
        load(folder, Wanted("onnxruntime", "fp16"))
    blurring(folder / "model.u8s8.onnx", 1, scale=0.5)
    describe(folder)
    with pytest.raises(ModelUnusable, match="dB, at least 30 passes"):
        load(folder, Wanted("onnxruntime", "int8"))


def test_a_named_backend_never_becomes_another(folder: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    blurring(folder / "model.u8s8.onnx", 1)
    describe(folder)
    model = load(folder, Wanted("openvino"))
    assert model.engine.backend == "openvino"
    assert {each.backend for each in model.considered} == {"openvino"}


def decisions(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.json"))


def test_what_was_decided_is_kept_and_not_measured_again(folder: Path, cache: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1)
    describe(folder)
    first = load(folder)
    (kept,) = decisions(cache)
    # Had it been measured again, the figure would be another.
    said = json.loads(kept.read_text())
    assert len(said["considered"]) == 2
    for each in said["considered"]:
        each["ms"] = 4321.0
    kept.write_text(json.dumps(said))
    second = load(folder)
    assert second.engine.precision == first.engine.precision == "int8"
    assert {each.ms for each in second.considered} == {4321.0}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"considered": 7}',
        b'{"considered": [{"backend": "abacus"}]}',
        b'{"considered": [{"color": "red"}]}',
        b"[" * MAX_FILE_BYTES,
    ],
)
def test_what_was_kept_and_is_damaged_is_measured_again(
    folder: Path, cache: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    blurring(folder / "model.u8s8.onnx", 1)
    describe(folder)
    load(folder)
    (kept,) = decisions(cache)
    kept.write_bytes(damage)
    assert load(folder).engine.precision == "int8"
    assert json.loads(kept.read_text())["considered"]
    assert "measured again" in caplog.text or damage == b"[]"


def test_another_floor_model_or_number_of_threads_is_decided_anew(folder: Path, cache: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1, scale=0.99)
    describe(folder)
    assert load(folder).engine.precision == "int8"
    describe(folder, min_psnr_db=90.0)
    assert load(folder).engine.precision == "fp32"
    blurring(folder / "model.u8s8.onnx", 2, scale=0.99)
    describe(folder)
    assert load(folder).engine.precision == "int8"
    load_model(read_files(locate(folder)), ORT, 2).close()
    assert len(decisions(cache)) == 4


def test_many_at_once_decide_once(folder: Path, cache: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1)
    describe(folder)
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: load(folder), range(4)))
    assert len({tuple(each.ms for each in model.considered) for model in models}) == 1


def test_a_folder_that_cannot_be_used_is_warned_of_once_and_all_goes_on(
    folder: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file where the folder should be")
    describe(folder)
    for _ in range(2):
        blurring(folder / "model.u8s8.onnx", 1)
        describe(folder)
        assert load(folder).engine.precision == "int8"
    assert caplog.text.count("is measured at each start and not kept") == 1


def test_the_log_says_what_runs_and_why(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    describe(folder)
    load(folder)
    assert "model net@" in caplog.text
    assert "runs on onnxruntime, cpu, fp32, 1 thread" in caplog.text
    assert "onnxruntime fp32: taken" in caplog.text


def test_a_model_that_is_off_its_own_sample_is_refused_whatever_would_run_it(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1)
    blurring(folder / "model.onnx", 1, scale=0.9)
    describe(folder)
    with pytest.raises(ModelUnusable, match="off its own sample"):
        load(folder)


def test_nothing_stays_open_of_what_was_not_taken(folder: Path) -> None:
    blurring(folder / "model.u8s8.onnx", 1)
    describe(folder)
    load(folder, Wanted())
    before = threading.active_count(), len(os.listdir("/proc/self/task"))
    for _ in range(5):
        load(folder, Wanted())
    assert (threading.active_count(), len(os.listdir("/proc/self/task"))) == before
