"""ONNX Runtime on CUDA: without a GPU it says so and never runs on the CPU instead."""

from __future__ import annotations

import sys
from pathlib import Path

import onnxruntime
import pytest

from reelwire.engines.backend import Candidate, EngineOptions, Variant
from reelwire.engines.cuda import BACKEND, PLACEMENT
from reelwire.engines.graph import read_graph
from reelwire.engines.onnxruntime_session import Placement, SessionEngine
from reelwire.engines.tensorrt.preflight import find_gpu
from reelwire.errors import BackendMissing, DeviceFellBack, DeviceMissing
from tests.reelwire.models import graphs

WITHOUT_GPU = pytest.mark.skipif(find_gpu().ok, reason="there is a GPU here")


def candidate(folder: Path) -> Candidate:
    path = graphs.gain(folder / "model.onnx")
    return Candidate("cuda", Variant(read_graph(path), "fp32"), "fp32")


def gpu_package(folder: Path) -> str:
    """A folder of packages in which onnxruntime-gpu is installed and onnxruntime is not."""
    installed = folder / "packages" / "onnxruntime_gpu-1.31.1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.31.1\n")
    return str(installed.parent)


def test_with_the_cpu_package_it_is_not_installed_and_the_fix_replaces_it(tmp_path: Path) -> None:
    told = BACKEND.probe()
    assert not told.ok
    assert not told.installed
    assert "onnxruntime-gpu" in told.problem
    assert "reelwire[cuda]" in told.fix
    with pytest.raises(BackendMissing, match=r'backend "cuda" cannot be used: .*fix: pip uninstall'):
        BACKEND.open(candidate(tmp_path), EngineOptions())


@WITHOUT_GPU
def test_with_the_gpu_package_and_no_driver_the_driver_is_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = candidate(tmp_path)
    monkeypatch.setattr(sys, "path", [gpu_package(tmp_path)])
    told = BACKEND.probe()
    assert (told.ok, told.installed) == (False, True)
    assert told.problem == find_gpu().problem
    with pytest.raises(DeviceMissing, match=r"fix: "):
        BACKEND.open(wanted, EngineOptions())


@WITHOUT_GPU
def test_a_session_that_cannot_have_cuda_is_refused_even_where_the_probe_is_passed_by(tmp_path: Path) -> None:
    with pytest.raises(DeviceFellBack, match=r"has .*CPUExecutionProvider, expected CUDAExecutionProvider"):
        SessionEngine(candidate(tmp_path), 1, device="none", placement=PLACEMENT)


def test_the_cpu_is_forbidden_to_a_session_that_is_to_run_elsewhere(tmp_path: Path) -> None:
    """ONNX Runtime has one more provider in its CPU package that takes nothing of this graph: as CUDA would
    where it lacks an operator, all of it would go to the CPU."""
    others = [name for name in onnxruntime.get_available_providers() if name != "CPUExecutionProvider"]
    if not others:
        pytest.skip("this onnxruntime has the CPU alone")
    with pytest.raises(DeviceFellBack, match="would run on the CPU, expected all on"):
        SessionEngine(
            candidate(tmp_path), 1, device="none", placement=Placement(others[0], entries=PLACEMENT.entries)
        )


def test_fp32_and_fp16_are_offered_and_int8_is_left_to_tensorrt(tmp_path: Path) -> None:
    facts = read_graph(graphs.gain(tmp_path / "model.onnx"))
    variants = [Variant(facts, each) for each in ("fp32", "fp16", "int8")]
    assert [each.precision for each in BACKEND.candidates(variants)] == ["fp32", "fp16"]
