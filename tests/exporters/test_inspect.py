"""What a model needs is said as it is, and every model that ships is verified by one command."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import onnx
import pytest

from exporters.__main__ import SUBCOMMANDS
from exporters.__main__ import main as export
from exporters.errors import ExportError
from exporters.inspect import main as inspect_main
from exporters.memory import activation_memory
from exporters.table import BEGIN, END
from exporters.verify import main as verify_main
from reelwire.models.library import SHIPPED
from tests.exporters.folders import CLIP, written
from tests.exporters.networks import Blur, picture_network, seeded
from tests.reelwire.models import graphs


def test_memory_is_what_is_alive_at_once(tmp_path: Path) -> None:
    """x → two more of its size, at most two of the three alive at once besides what is over."""
    path = graphs.gain(tmp_path / "m.onnx", shift=1.0)
    model = onnx.load(path)
    (picture,) = [value.name for value in model.graph.input]
    small = activation_memory(model, {picture: (1, 3, 8, 8)})
    large = activation_memory(model, {picture: (2, 3, 16, 8)})
    assert small.unknown == 0
    assert small.peak_bytes == 2 * 3 * 8 * 8 * 4
    assert large.peak_bytes == 4 * small.peak_bytes


def test_shapes_that_do_not_fit_are_refused() -> None:
    model = onnx.load(SHIPPED / "restyle" / "model.onnx")
    with pytest.raises(ExportError, match="does not fit the graph"):
        activation_memory(model, {"frame": (1, 4, 64, 64)})


def test_inspect_tells_files_operators_memory_and_backends(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_main([str(SHIPPED / "restyle"), "--no-compile"]) == 0
    told = capsys.readouterr().out
    assert "restyle@1: 67991 parameters" in told
    assert "model.s8s8.onnx: int8 (s8s8), 0.09 MB" in told
    assert "Conv 11, InstanceNormalization 9" in told
    assert "720p: 232 MiB by shapes  frame [4, 3, 720, 1280]" in told
    assert "\nonnxruntime: fp32 from model.onnx, int8 from model.u8s8.onnx" in told


def test_inspect_of_no_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_main([str(tmp_path / "none")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "none" in line


@pytest.mark.slow
def test_verify_writes_its_table_and_ends_with_one_where_a_figure_is_below_its_floor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    shutil.copytree(SHIPPED / "selfie-segmentation", models / "selfie-segmentation")
    document = tmp_path / "d.md"
    document.write_text(f"{BEGIN}\n{END}\n")
    given = ["--models", str(models), "--clip", str(CLIP), "--write", str(document)]
    assert verify_main(given) == 0
    head, _, *rows = document.read_text().splitlines()[1:-1]
    assert head.startswith("| model | precision | max abs error | PSNR dB | RTX compile")
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| `selfie-segmentation`", "fp32"],
        ["| `selfie-segmentation`", "fp16"],
    ]
    toml = models / "selfie-segmentation" / "model.toml"
    toml.write_text(toml.read_text().replace("min_psnr_db = 30.0", "min_psnr_db = 119.0"))
    assert verify_main(given) == 1
    assert "selfie-segmentation fp16: " in capsys.readouterr().err


@pytest.mark.slow
def test_verify_finds_what_the_compiler_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    folder = written(picture_network(seeded(Blur)), tmp_path / "models" / "net")
    toml = folder / "model.toml"
    toml.write_text(toml.read_text().replace("[1, 3, 360, 640]", "[9, 3, 360, 640]"))
    assert verify_main(["--models", str(folder.parent), "--clip", str(CLIP)]) == 1
    assert "net fp32: no: " in capsys.readouterr().err


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        export([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: reelwire export {name}" in capsys.readouterr().out
    assert callable(importlib.import_module(f"exporters.{name}").main)


def test_a_subcommand_that_is_none_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert export(["onyx"]) == 2
    assert '"onyx" is no subcommand; expected one of onnx, precision' in capsys.readouterr().err
