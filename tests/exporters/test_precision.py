"""Precisions are added to a model folder with what was measured, or nothing is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from exporters.precision import main
from exporters.variants import Wishes, add_variants
from reelwire.engines.backend import EngineOptions
from reelwire.engines.select import Wanted, candidates, open_candidate
from reelwire.models.loading import read_files
from reelwire.models.location import locate
from reelwire.models.manifest import read_manifest
from reelwire.models.sample import check_sample, read_sample
from tests.exporters.folders import CLIP, contents, written
from tests.exporters.networks import Doubling, Loud, picture_network, seeded, two_memories_network

pytestmark = pytest.mark.slow
LITTLE = ["--calibrate", str(CLIP), "--frames", "9", "--size", "96x64"]


@pytest.fixture(scope="module")
def doubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a transposed convolution in all precisions."""
    folder = written(picture_network(seeded(Doubling)), tmp_path_factory.mktemp("models") / "net")
    assert main([str(folder), "--fp16", "--int8", "--min-psnr-db", "20", *LITTLE]) == 0
    return folder


def test_each_file_is_listed_with_its_likeness(doubled: Path) -> None:
    manifest = read_manifest(doubled / "model.toml")
    assert [(each.file, each.precision, each.form) for each in manifest.variants] == [
        ("model.fp16.onnx", "fp16", ""),
        ("model.s8s8.onnx", "int8", "s8s8"),
        ("model.u8s8.onnx", "int8", "u8s8"),
    ]
    assert manifest.quality.min_psnr_db == 20
    for each in manifest.variants:
        assert each.psnr_db is not None
        assert each.psnr_db >= 20
        assert each.ssim is not None
        assert 0 < each.ssim <= 1
        assert each.max_abs_error is not None
        assert each.max_abs_error > 0
    assert manifest.variants[0].psnr_db == max(each.psnr_db or 0 for each in manifest.variants)


def test_each_precision_is_offered_and_gives_the_sample(doubled: Path) -> None:
    files = read_files(locate(doubled))
    sample = read_sample(doubled, files.manifest)
    assert sample is not None
    for precision in ("fp32", "int8"):
        (way, *_) = candidates(files.variants, Wanted("onnxruntime", precision))
        engine = open_candidate(way, EngineOptions())
        assert engine.precision == precision
        check_sample(engine, sample, files.manifest.quality.min_psnr_db)
        engine.close()


def test_inputs_and_outputs_keep_their_types_in_every_file(doubled: Path) -> None:
    for path in doubled.glob("*.onnx"):
        graph = onnx.load(path).graph
        types = {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)}
        assert types == {TensorProto.FLOAT}, path.name


def test_s8s8_is_what_tensorrt_accepts(doubled: Path) -> None:
    """Signed, symmetric, and biases in float: its parser refuses all else."""
    graph = onnx.load(doubled / "model.s8s8.onnx").graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scaling = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert scaling
    for node in scaling:
        zero = weights[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()


def test_u8s8_keeps_weights_to_seven_bits_so_that_no_processor_saturates(doubled: Path) -> None:
    graph = onnx.load(doubled / "model.u8s8.onnx").graph
    kernels = [numpy_helper.to_array(each) for each in graph.initializer if len(each.dims) == 4]
    whole = [kernel for kernel in kernels if kernel.dtype == np.int8]
    assert whole
    assert max(int(np.abs(kernel.astype(int)).max()) for kernel in whole) <= 64


def test_adding_again_replaces_and_keeps_what_else_the_file_says(doubled: Path) -> None:
    before = read_manifest(doubled / "model.toml")
    assert main([str(doubled), "--fp16", *LITTLE]) == 0
    after = read_manifest(doubled / "model.toml")
    assert {each.file: each for each in after.variants} == {each.file: each for each in before.variants}
    assert (after.sample, after.profiles, after.input) == (before.sample, before.profiles, before.input)


def test_below_the_floor_nothing_is_changed_unless_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(picture_network(seeded(Doubling)), tmp_path / "net")
    before = contents(folder)
    given = [str(folder), "--fp16", "--min-psnr-db", "119", *LITTLE]
    assert main(given) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "model.fp16.onnx: PSNR" in line
    assert "min_psnr_db of this model is 119" in line
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert main([*given, "--keep-below-floor"]) == 0
    assert read_manifest(folder / "model.toml").variants[0].file == "model.fp16.onnx"


def test_a_recurrent_model_is_calibrated_and_measured_with_its_state_carried(tmp_path: Path) -> None:
    pairs = [{"input": name, "output": f"{name}_next"} for name in ("quick", "slow")]
    folder = written(two_memories_network(), tmp_path / "net", state=pairs)
    said: list[str] = []
    wishes = Wishes(fp16=True, int8=True, clips=(CLIP,), frames=12, size=(32, 48), keep_below_floor=True)
    add_variants(folder, wishes, said.append)
    manifest = read_manifest(folder / "model.toml")
    assert len(manifest.variants) == 3
    assert manifest.variants[0].psnr_db is not None
    assert manifest.variants[0].psnr_db > 50
    (profile, *_) = manifest.profiles
    assert profile.inputs.keys() == {"frame", "quick", "slow"}
    assert profile.inputs["slow"] == profile.inputs["frame"]
    assert [line for line in said if line.startswith("s8s8, minmax")]


def test_fp16_that_would_overflow_is_refused_by_the_nodes_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(picture_network(seeded(Loud)), tmp_path / "net")
    assert main([str(folder), "--fp16", *LITTLE]) == 1
    assert "(Mul) reaches" in capsys.readouterr().err
    assert not (folder / "model.fp16.onnx").exists()


@pytest.mark.parametrize(
    ("clip", "said"),
    [("none.mp4", "cannot be decoded: No such file"), ("text.mp4", "cannot be decoded: Invalid data")],
)
def test_a_clip_that_cannot_be_used_is_said_in_one_line(
    clip: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(picture_network(seeded(Doubling)), tmp_path / "net")
    (tmp_path / "text.mp4").write_text(json.dumps({"no": "clip"}))
    assert main([str(folder), "--fp16", "--calibrate", str(tmp_path / clip)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_folder_without_a_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--fp16"]) == 1
    assert "has no model.onnx" in capsys.readouterr().err


@pytest.mark.parametrize("frames", ["0", "-1", "2"])
def test_too_few_frames_are_refused_before_anything_is_read(
    frames: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "--int8", "--frames", frames])
    assert ended.value.code == 2
    assert f"--frames {frames}: expected 3 at least" in capsys.readouterr().err
