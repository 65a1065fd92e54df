"""reelwire export tensorrt: plans for the GPU that is there, or a check where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporters import tensorrt as command
from exporters.errors import ExportError
from exporters.served import opened
from reelwire.engines.backend import EngineOptions
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.libraries import RTX, Libraries
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.engines.tensorrt.preflight import Gpu, find_gpu
from reelwire.models.library import SHIPPED
from reelwire.models.manifest import read_manifest
from tests.reelwire.models import graphs

trt = pytest.importorskip(
    "tensorrt_rtx", reason="TensorRT for RTX, the compiler of these tests, is not installed"
)
NO_GPU = pytest.mark.skipif(find_gpu().ok, reason="this machine has a GPU: plans are built")
GPU = Gpu(name="a GPU", compute_capability="8.9", driver="13.0")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder of a small model."""
    graphs.gain(tmp_path / "gain" / "model.onnx")
    return tmp_path / "gain"


@NO_GPU
@pytest.mark.parametrize("asked", [[], ["--backend", "tensorrt"], ["--backend", "tensorrt-rtx"]], ids=str)
def test_without_a_gpu_it_says_what_to_do_in_one_line(
    model: Path, asked: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(model), *asked]) == 1
    said = capfd.readouterr()
    (line,) = said.err.splitlines()
    assert "no NVIDIA driver visible" in line
    assert "--check compiles without a GPU" in line
    assert said.out == ""


def test_a_check_says_size_memory_and_time_and_keeps_nothing(
    model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REELWIRE_CACHE_DIR", str(tmp_path / "cache"))
    assert command.main([str(model), "--check"]) == 0
    said = capfd.readouterr()
    (line,) = said.out.splitlines()
    assert line.startswith("gain fp32: compiles in ")
    assert " MB, activations " in line
    assert said.err == ""
    assert not (tmp_path / "cache").exists()


def test_a_check_that_fails_says_why_in_one_line(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = "frame=1x3x16x16:1x3x64x64:1x3x32x32"
    assert command.main([str(model), "--check", "--profile", given]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert 'shape profile "given": "frame" has a likeliest shape' in line


def test_plans_are_built_kept_with_their_key_and_then_found(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    libraries = Libraries(trt, None, RTX.name, trt.__version__)
    by = TensorRtBackend(RTX, find=lambda: GPU, missing=lambda facts: "", load=lambda facts: libraries)
    with opened(model) as served:
        profiles = command.profiles_of(served, None)
        assert [profile.name for profile in profiles] == ["default"]
        for _ in range(2):
            options = EngineOptions(profiles=profiles, cache=tmp_path / "plans")
            command.build_all(served, command.candidates_of(served, None), options, by)
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("gain fp32: built in ")
    assert lines[3].startswith("gain fp32: was there, ")
    assert lines[0].endswith(f"for tensorrt-rtx {trt.__version__} on a GPU")
    (sidecar,) = PlanCache(tmp_path / "plans").folder.glob("*.json")
    assert lines[1:3] == [f"  key {sidecar.stem}", f"  sidecar {sidecar}"]
    assert json.loads(sidecar.read_text())["key"]["gpu"] == "a GPU"


def test_the_files_for_tensorrt_are_taken_and_no_others() -> None:
    with opened(SHIPPED / "restyle") as served:
        found = command.candidates_of(served, None)
        assert [each.precision for each in found] == ["fp32", "fp16", "int8"]
        assert [each.variant.form for each in found] == ["", "", "s8s8"]
        assert [each.precision for each in command.candidates_of(served, ["fp16"])] == ["fp16"]
        assert command.profiles_of(served, None) == served.files.profiles
    with opened(SHIPPED / "identity") as served:
        with pytest.raises(ExportError, match="identity has no int8 file for TensorRT"):
            command.candidates_of(served, ["int8"])


def test_sizes_that_were_given_can_be_put_into_model_toml(model: Path) -> None:
    given = command.build_parser().parse_args(
        [str(model), "--profile", "frame=1x3x16x16:1x3x32x32:1x3x64x64"]
    )
    with opened(model) as served:
        profiles = command.profiles_of(served, given.profile)
    (model / "model.toml").write_text(command.as_toml(profiles))
    (read,) = read_manifest(model / "model.toml").profiles
    assert (read.name, read.inputs) == ("given", dict(profiles[0].inputs))


@pytest.mark.parametrize("text", ["frame", "frame=1x3", "frame=1:2", "frame=1x:2:3", "frame=1:2:3:4"])
def test_sizes_that_are_none_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.build_parser().parse_args(["m", "--profile", text])
    assert "expected INPUT=LEAST:LIKELIEST:LARGEST" in capsys.readouterr().err
