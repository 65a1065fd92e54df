"""Whether TensorRT can run here, and what is said where it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reelwire.engines.backend import Availability, EngineOptions, Variant
from reelwire.engines.graph import read_graph
from reelwire.engines.registry import BACKEND_NAMES, backend
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.libraries import ENTERPRISE, RTX
from reelwire.engines.tensorrt.preflight import Gpu, find_gpu
from reelwire.errors import BackendMissing, DeviceMissing
from tests.reelwire.models import graphs

NO_DRIVER = Gpu("no NVIDIA driver visible", "start the container with --gpus all")
L4 = Gpu(name="NVIDIA L4", compute_capability="8.9", driver="13.1")
H100 = Gpu(name="NVIDIA H100", compute_capability="9.0", driver="13.1")
B200 = Gpu(name="NVIDIA B200", compute_capability="10.0", driver="13.1")


def probed(facts: Any, gpu: Gpu, missing: str = "") -> Availability:
    """What a backend of that library says beside that GPU."""
    return TensorRtBackend(facts, find=lambda: gpu, missing=lambda facts: missing).probe()


@pytest.mark.parametrize("facts", [ENTERPRISE, RTX], ids=["tensorrt", "tensorrt-rtx"])
def test_a_gpu_and_an_installed_library_are_available(facts: Any) -> None:
    told = probed(facts, L4)
    assert told.ok
    assert told == Availability(facts.name, device="NVIDIA L4")


@pytest.mark.parametrize(
    ("facts", "gpu", "missing", "error", "words"),
    [
        (ENTERPRISE, NO_DRIVER, "", DeviceMissing, "no NVIDIA driver visible; fix: .*--gpus all"),
        (ENTERPRISE, L4, "not installed", BackendMissing, r"not installed; fix: .*https://pypi\.nvidia\.com"),
        (
            ENTERPRISE,
            NO_DRIVER,
            "not installed",
            BackendMissing,
            "not installed and no NVIDIA driver visible; fix: pip .*; start the container with --gpus all",
        ),
        (RTX, L4, "cuda-python is not installed", BackendMissing, r"cuda-python.*reelwire\[tensorrt-rtx\]"),
        (RTX, H100, "", DeviceMissing, r"NVIDIA H100 \(compute capability 9\.0\).*use backend tensorrt"),
        (RTX, B200, "", DeviceMissing, "NVIDIA B200"),
    ],
)
def test_what_is_missing_is_one_line_with_the_fix(
    facts: Any, gpu: Gpu, missing: str, error: type[Exception], words: str
) -> None:
    told = probed(facts, gpu, missing)
    assert not told.ok
    assert "\n" not in told.problem + told.fix
    with pytest.raises(error, match=words):
        raise told.error()


def test_tensorrt_runs_on_data_centre_gpus() -> None:
    assert probed(ENTERPRISE, H100).ok


def test_nothing_of_nvidias_is_imported_where_there_is_no_gpu(tmp_path: Path) -> None:
    def load(facts: Any) -> Any:
        raise AssertionError("imported")

    one = TensorRtBackend(RTX, find=lambda: NO_DRIVER, missing=lambda facts: "", load=load)
    (candidate,) = one.candidates([Variant(read_graph(graphs.gain(tmp_path / "gain.onnx")), "fp32")])
    with pytest.raises(DeviceMissing):
        one.open(candidate, EngineOptions(cache=tmp_path / "plans"))


def test_candidates_are_the_most_exact_first_and_never_unsigned_int8(tmp_path: Path) -> None:
    facts = read_graph(graphs.gain(tmp_path / "gain.onnx"))
    signed = Variant(facts, "int8", "s8s8")
    given = [Variant(facts, "int8", "u8s8"), signed, Variant(facts, "fp16"), Variant(facts, "fp32")]
    found = TensorRtBackend(ENTERPRISE).candidates(given)
    assert [str(each) for each in found] == ["tensorrt fp32", "tensorrt fp16", "tensorrt int8"]
    assert found[2].variant is signed
    assert TensorRtBackend(ENTERPRISE).candidates(given[:1]) == ()


def test_both_stand_before_all_others() -> None:
    assert BACKEND_NAMES[:2] == ("tensorrt", "tensorrt-rtx")
    assert [backend(name).name for name in BACKEND_NAMES[:2]] == ["tensorrt", "tensorrt-rtx"]


HUNDRED = """
import sys
from reelwire.engines.select import Wanted, availability
from reelwire.errors import BackendMissing, DeviceMissing, ReelwireError
for _ in range(100):
    told = {each.backend: each for each in availability()}
    for name in ("tensorrt", "tensorrt-rtx"):
        assert not told[name].ok and told[name].problem and told[name].fix, told[name]
        try:
            Wanted(name).check()
        except (BackendMissing, DeviceMissing) as error:
            assert "fix: " in error.message and "\\n" not in error.message
            last = f"{type(error).__name__} {error.code}: {error.message}"
        else:
            raise SystemExit(f"{name} was accepted")
        print(last)
print("imported:", sorted(set(sys.modules) & {"tensorrt", "tensorrt_rtx", "tensorrt_lean", "cuda"}))
"""


def test_a_hundred_questions_for_tensorrt_without_a_gpu_leave_the_process_alive() -> None:
    """A process of its own: what is feared is a segmentation fault, also of one that only leaves."""
    if find_gpu().ok:
        pytest.skip("there is a GPU here")
    done = subprocess.run(
        [sys.executable, "-c", HUNDRED], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == 201
    assert lines[-1] == "imported: []"
    assert {line.split(":")[0] for line in lines[:-1]} <= {
        "BackendMissing UNIMPLEMENTED",
        "DeviceMissing FAILED_PRECONDITION",
    }
