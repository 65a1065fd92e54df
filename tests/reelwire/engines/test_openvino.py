"""OpenVINO: what it computes in is what was asked for, and it tells nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from reelwire.engines.backend import Array, Candidate, EngineOptions, TensorSpec, Variant
from reelwire.engines.graph import read_graph
from reelwire.engines.openvino import BACKEND, OpenVinoEngine, has_bf16, one_line
from reelwire.engines.registry import REFERENCE, backend
from reelwire.errors import ModelUnusable
from reelwire.models.fidelity import least_psnr_db
from reelwire.models.library import SHIPPED
from tests.reelwire.models import graphs

pytest.importorskip("openvino", reason="openvino is not installed")
RESTYLE = SHIPPED / "restyle" / "model.onnx"
FP32_DB = 90.0


def variant(path: Path, precision: str = "fp32", form: str = "") -> Variant:
    return Variant(read_graph(path), precision, form)


def opened(path: Path, precision: str = "fp32", threads: int = 1) -> OpenVinoEngine:
    return BACKEND.open(Candidate("openvino", variant(path), precision), EngineOptions(threads=threads))


def noise(height: int, width: int, seed: int = 3) -> dict[str, Array]:
    return {"frame": np.random.default_rng(seed).random((1, 3, height, width), np.float32)}


def test_names_types_and_symbolic_dimensions_are_the_files(tmp_path: Path) -> None:
    engine = opened(graphs.quarter_mixing(tmp_path / "model.onnx", named=True))
    assert engine.inputs == (
        TensorSpec("frame", "float32", ("N", 3, "4*h4", "4*w4")),
        TensorSpec("h", "float32", ("N", 3, "h4", "w4")),
    )
    assert [spec.name for spec in engine.outputs] == ["picture", "h_next"]
    engine.close()


def test_lengths_that_the_file_leaves_open_are_told_as_they_are_inferred(tmp_path: Path) -> None:
    engine = opened(graphs.voice(tmp_path / "model.onnx"))
    assert engine.inputs[2] == TensorSpec("sr", "int64", ())
    assert engine.outputs[1] == TensorSpec("stateN", "float32", (2, "?", 8))
    engine.close()


def test_fp32_is_computed_in_fp32_even_where_the_cpu_would_take_bf16() -> None:
    """bf16 is at 30 to 60 dB from fp32: its eight bits of mantissa allow no more."""
    engine = opened(RESTYLE)
    wanted = backend(REFERENCE).open(Candidate(REFERENCE, variant(RESTYLE), "fp32"), EngineOptions())
    feeds = noise(72, 104)
    assert least_psnr_db(wanted.run(feeds), engine.run(feeds)) > FP32_DB
    engine.close()
    wanted.close()


def test_bf16_is_offered_where_the_cpu_has_it_alone_and_is_not_fp32() -> None:
    found = [candidate.precision for candidate in BACKEND.candidates((variant(RESTYLE),))]
    assert found == (["fp32", "bf16"] if has_bf16() else ["fp32"])
    exact, rough = opened(RESTYLE), opened(RESTYLE, "bf16")
    likeness = least_psnr_db(exact.run(noise(64, 64)), rough.run(noise(64, 64)))
    assert (20 < likeness < FP32_DB) if has_bf16() else likeness > 20
    assert (exact.precision, rough.precision) == ("fp32", "bf16")
    exact.close()
    rough.close()


def test_the_symmetric_int8_file_is_taken_and_fp16_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx")
    both = (variant(path, "int8", "u8s8"), variant(path, "int8", "s8s8"))
    assert [each.variant.form for each in BACKEND.candidates(both)] == ["s8s8"]
    assert [each.variant.form for each in BACKEND.candidates(both[:1])] == ["u8s8"]
    half = variant(path, "fp16")
    assert [each.precision for each in BACKEND.candidates((half,))] == ["fp16"]
    assert "fp16" not in [each.precision for each in BACKEND.candidates((variant(path), half))]


@pytest.mark.parametrize("threads", [1, 2])
def test_bytes_depend_neither_on_the_run_before_nor_on_what_runs_beside(threads: int) -> None:
    engine = opened(RESTYLE, threads=threads)
    feeds = [noise(40 + 8 * (place % 3), 56, place) for place in range(6)]
    alone = [engine.run(feed)["styled"].tobytes() for feed in feeds]
    again = [engine.run(feed)["styled"].tobytes() for feed in reversed(feeds)]
    with ThreadPoolExecutor(6) as pool:
        together = [result["styled"].tobytes() for result in pool.map(engine.run, feeds * 4)]
    assert again[::-1] == alone
    assert together == alone * 4
    engine.close()


def test_one_inference_takes_the_threads_that_were_asked_for_or_all_there_are() -> None:
    cores = len(os.sched_getaffinity(0))
    for asked, expected in ((1, 1), (min(2, cores), min(2, cores)), (0, cores), (4 * cores, cores)):
        engine = opened(RESTYLE, threads=asked)
        assert engine.threads == expected
        engine.close()


def test_what_comes_out_stays_as_it_was_when_the_engine_runs_again() -> None:
    engine = opened(RESTYLE)
    first = engine.run(noise(40, 48))["styled"]
    kept = first.copy()
    engine.run(noise(40, 48, seed=9))
    np.testing.assert_array_equal(first, kept)
    assert first.flags.owndata
    assert first.flags.writeable
    engine.close()


def test_a_failing_run_is_one_line_says_why_and_leaves_the_engine_usable(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = opened(graphs.gain(tmp_path / "model.onnx", multiple=8))
    for _ in range(1 + os.cpu_count()):  # type: ignore[operator]  # more often than requests are kept
        with pytest.raises(ModelUnusable, match="must be a multiple of divisor: 8") as caught:
            engine.run(noise(9, 9))
        assert "\n" not in caught.value.message
        assert "src/" not in caught.value.message
    assert engine.run(noise(8, 8))["result"].shape == (1, 3, 8, 8)
    assert capfd.readouterr().err == ""
    engine.close()


def test_a_graph_that_cannot_load_says_why(tmp_path: Path) -> None:
    shape = ("N", 3, "H", "W")
    path = graphs.save(
        tmp_path / "model.onnx",
        [helper.make_node("NoSuchOperator", ["x"], ["y"])],
        [("x", graphs.FLOAT, shape)],
        [("y", graphs.FLOAT, shape)],
    )
    with pytest.raises(ModelUnusable, match=r"OpenVINO cannot load it: .*NoSuchOperator"):
        opened(path)


def test_an_error_without_any_words_of_its_own_is_told_whole() -> None:
    assert one_line(RuntimeError("Exception from src/a.cpp:1:\n\n")) == "Exception from src/a.cpp:1:"


def test_a_closed_engine_refuses_and_waits_for_nothing(tmp_path: Path) -> None:
    engine = opened(graphs.gain(tmp_path / "model.onnx"))
    engine.close()
    with pytest.raises(ModelUnusable, match="closed"):
        engine.run(noise(8, 8))


def test_nothing_is_told_to_the_maker_of_openvino(tmp_path: Path) -> None:
    """Its package reports each import through openvino_telemetry, which keeps files in the home folder."""
    program = (
        "import sys, reelwire.engines.openvino as ours; ours.has_bf16();"
        "told = [name for name in sys.modules if name.startswith('openvino_telemetry.')];"
        "assert not told, told; assert 'openvino_telemetry' not in sys.modules"
    )
    keep = {
        name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**keep, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
