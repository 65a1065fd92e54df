"""The acceptance run for a GPU: whole against the fake, honest without a GPU, and able to fail."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy import gpu_acceptance
from deploy.fake_tensorrt.cudart import FakeCudart
from deploy.fake_tensorrt.graph import Graph
from deploy.gpu import installation, layers, video
from deploy.gpu.checks import CHECKS, NAMES
from deploy.gpu.report import NOTHING_TO_RUN_ON, SOMETHING_FAILED, Status
from reelwire.engines.tensorrt.preflight import Gpu, find_gpu

ROOT = Path(__file__).resolve().parents[2]
NO_GPU = pytest.mark.skipif(find_gpu().ok, reason="this machine has a GPU: the run would be a real one")
WANTED = {
    "preflight": "preflight",
    "installation of the extra": "installation",
    "build": "build",
    "cache hit": "cache-hit",
    "truncated plan": "truncated-plan",
    "foreign plan": "foreign-plan",
    "parity per shape with and without CUDA graph": "parity",
    "the model's own sample": "sample",
    "60 recurrent steps": "recurrent",
    "p50, p95, p99": "latency",
    "device memory over runs": "memory-runs",
    "device memory over streams": "memory-streams",
    "concurrent streams": "concurrent",
    "ONNX Runtime strict on CUDA": "cuda-strict",
    "fallback refused": "cuda-fallback",
    "INT8 layers by the inspector": "int8-layers",
    "NVENC": "nvenc",
    "NVDEC": "nvdec",
    "auto, serve while building": "serving",
}
NOT_FAKED = {
    "preflight", "installation", "latency", "cuda-strict", "cuda-fallback", "int8-layers", "nvenc", "nvdec",
}  # fmt: skip
"""What a fake says nothing of."""


def run(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """In this process; the exit status and the report."""
    out = tmp_path / "report.json"
    status = gpu_acceptance.main([*arguments, "--out", str(out)])
    report: dict[str, Any] = json.loads(out.read_text())
    assert report["exit_status"] == status
    return status, report


@pytest.fixture
def no_models(tmp_path: Path) -> Path:
    """Only the two models that the run makes for itself."""
    (tmp_path / "none").mkdir()
    return tmp_path / "none"


def test_nothing_that_was_to_be_checked_is_missing_from_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(WANTED.values()) | {"left-over"} == set(NAMES)
    assert gpu_acceptance.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(NAMES)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_against_the_fake_all_passes_and_what_cannot_be_faked_is_skipped_and_never_passed(
    tmp_path: Path,
) -> None:
    out = tmp_path / "report.json"
    command = [sys.executable, "deploy/gpu_acceptance.py", "--fake", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads(out.read_text())
    results = report["checks"]
    assert {each["check"] for each in results} == set(NAMES)
    by_check: dict[str, set[str]] = {name: set() for name in NAMES}
    for each in results:
        by_check[each["check"]].add(each["status"])
        assert each["why"] or each["status"] != Status.SKIP, "a skip says why"
    assert {name for name, found in by_check.items() if found == {"SKIP"}} == NOT_FAKED
    assert {name for name, found in by_check.items() if found == {"PASS"}} == set(NAMES) - NOT_FAKED
    assert report["fake"] is True
    assert report["counts"] == {**Counter(each["status"] for each in results), "FAIL": 0}
    lines = [line for line in done.stdout.splitlines() if line.startswith(("PASS", "SKIP", "FAIL"))]
    assert len(lines) == len(results), "one line for each"


@pytest.mark.slow
def test_every_model_that_ships_is_checked_in_every_precision_that_tensorrt_takes(tmp_path: Path) -> None:
    _, report = run(tmp_path, "--fake", "--only", "sample")
    assert sorted(each["subject"] for each in report["checks"] if each["check"] == "sample") == [
        f"tensorrt {model} {precision}"
        for model, precisions in (
            ("centerface", ("fp16", "fp32")),
            ("identity", ("fp32",)),
            ("restyle", ("fp16", "fp32", "int8")),
            ("selfie-segmentation", ("fp16", "fp32")),
            ("upscale", ("fp16", "fp32", "int8")),
        )
        for precision in precisions
    ]


@NO_GPU
@pytest.mark.parametrize("command", [["-m", "deploy.gpu_acceptance"], ["deploy/gpu_acceptance.py"]], ids=str)
def test_without_a_gpu_it_stops_at_preflight_with_the_reason_and_the_fix(
    tmp_path: Path, command: list[str]
) -> None:
    out = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, *command, "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == NOTHING_TO_RUN_ON, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.startswith(
        "FAIL preflight: GPU: no NVIDIA driver visible; fix: start the container with --gpus all"
    )
    assert last.endswith("; stopped at preflight")
    assert 'pip install --extra-index-url https://pypi.nvidia.com "reelwire[cuda,tensorrt]"' in done.stdout
    report = json.loads(out.read_text())
    assert (report["exit_status"], report["counts"]["PASS"]) == (NOTHING_TO_RUN_ON, 0)
    assert {each["check"] for each in report["checks"]} == {"preflight"}


@pytest.mark.parametrize(
    ("check", "subject"), [("parity", "tensorrt other fp32"), ("recurrent", "tensorrt steps fp32")], ids=str
)
def test_outputs_that_are_off_make_it_fail(
    tmp_path: Path, no_models: Path, monkeypatch: pytest.MonkeyPatch, check: str, subject: str
) -> None:
    right = Graph.run

    def off_by_one(self: Graph, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [array + 1 for array in right(self, inputs)]

    monkeypatch.setattr(Graph, "run", off_by_one)
    status, report = run(tmp_path, "--fake", "--models", str(no_models), "--only", check)
    assert status == SOMETHING_FAILED
    failed = [each for each in report["checks"] if each["status"] == "FAIL"]
    assert any(each["subject"].startswith(subject) for each in failed)
    assert all("less like fp32" in each["why"] for each in failed)


def test_memory_that_is_never_freed_makes_it_fail(
    tmp_path: Path, no_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeCudart, "cudaFree", lambda self, address: (FakeCudart.cudaError_t.cudaSuccess,))
    checks = ["memory-runs", "memory-streams", "left-over"]
    only = [part for name in checks for part in ("--only", name)]
    status, report = run(tmp_path, "--fake", "--models", str(no_models), *only)
    assert status == SOMETHING_FAILED
    assert {each["check"] for each in report["checks"] if each["status"] == "FAIL"} == set(checks)


def test_a_download_that_is_never_waited_for_makes_it_fail(
    tmp_path: Path, no_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        FakeCudart, "cudaStreamSynchronize", lambda self, stream: (FakeCudart.cudaError_t.cudaSuccess,)
    )
    status, report = run(tmp_path, "--fake", "--models", str(no_models), "--only", "parity")
    assert status == SOMETHING_FAILED
    assert report["counts"]["PASS"] == 0


def test_a_check_that_crashes_is_a_failure_and_the_others_go_on(
    tmp_path: Path, no_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: object) -> tuple[object, ...]:
        raise ctypes.ArgumentError("no such call")

    monkeypatch.setattr(FakeCudart, "cudaMemGetInfo", crash)
    only = ["--only", "memory-runs", "--only", "recurrent"]
    status, report = run(tmp_path, "--fake", "--models", str(no_models), *only)
    assert status == SOMETHING_FAILED
    by_check = {each["check"]: each for each in report["checks"]}
    assert by_check["memory-runs"]["why"] == "ArgumentError: no such call"
    assert by_check["recurrent"]["status"] == "PASS"


def test_a_model_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "broken"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"PK\x03\x04")
    status, report = run(tmp_path, "--fake", "--models", str(folder.parent), "--only", "sample")
    assert status == SOMETHING_FAILED
    (failed,) = (each for each in report["checks"] if each["status"] == "FAIL")
    assert (failed["check"], failed["subject"]) == ("models", "broken")


def test_only_a_gpu_that_nothing_can_run_on_stops_it() -> None:
    results = list(installation.preflight(Gpu(name="a GPU", compute_capability="8.9", driver="13.0"), ()))
    assert [str(each) for each in results] == ["PASS : GPU: name a GPU, compute_capability 8.9, cuda 13.0"]


def test_versions_are_compared_with_what_the_package_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = installation.pins()
    assert {extra: "cuda-python" in names for extra, names in pinned.items()} == dict.fromkeys(pinned, True)
    assert "tensorrt-cu13" in pinned["tensorrt"]
    assert "onnxruntime-gpu" in pinned["cuda"]
    for wrong, status in (({}, "PASS"), ({"tensorrt-cu13": "10.0"}, "FAIL"), ({"tensorrt-cu13": ""}, "SKIP")):
        found = {**pinned["tensorrt"], **wrong}
        monkeypatch.setattr(installation, "_installed", found.__getitem__)
        (result,) = installation.versions(["tensorrt"])
        assert result.status == status
        assert ("pypi.nvidia.com" in result.why) == (status != "PASS")


def test_int8_layers_are_counted_in_the_inspectors_words() -> None:
    def layer(words: str) -> dict[str, Any]:
        return {"Name": "conv", "Inputs": [{"Name": "x", "Format/Datatype": words}]}

    told = {"Layers": [layer("Int8 NC/32HW32"), layer("Row major linear FP32")], "Bindings": ["x"]}
    assert ["int8" in each for each in layers.input_types(told)] == [True, False]
    assert layers.input_types({"Layers": ["conv", "relu"]}) == [], "only names: it tells nothing"


@NO_GPU
def test_without_a_gpu_nvenc_and_nvdec_fail_with_ffmpegs_words() -> None:
    for results in (video.nvenc(), video.nvdec()):
        (result,) = results
        assert result.status == Status.FAIL
        assert result.why.startswith("does not open: ")


def test_each_check_runs_for_ways_or_once_and_says_what_it_is() -> None:
    for check in CHECKS:
        assert check.about
        assert not (check.each and check.once)
        assert (check.each or check.once) or check.name == "preflight"
