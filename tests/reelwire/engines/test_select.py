"""Which backend runs, and what is refused before anything runs."""

import sys
from pathlib import Path

import pytest

from reelwire.engines import open_engine
from reelwire.engines.onnxruntime_session import installed_runtime
from reelwire.engines.select import Wanted, usable_backends
from reelwire.errors import BackendMissing, BadParameter, InputNotFound, ModelUnusable
from tests.reelwire.models import graphs


def test_auto_says_which_backend_really_runs(tmp_path: Path) -> None:
    engine = open_engine(graphs.gain(tmp_path / "model.onnx"))
    assert (engine.backend, engine.device, engine.precision) == ("onnxruntime", "cpu", "fp32")
    engine.close()


def test_an_unknown_backend_is_answered_with_the_choices(tmp_path: Path) -> None:
    path = graphs.gain(tmp_path / "model.onnx")
    with pytest.raises(BadParameter, match=r'did you mean "onnxruntime".*auto'):
        open_engine(path, wanted=Wanted("onnxrun"))


def test_no_runtime_installed_is_an_error_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(BackendMissing, match=r'pip install "reelwire\[cpu\]"'):
        usable_backends()


def test_two_runtimes_installed_is_an_error_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxruntime", "onnxruntime_gpu"):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    told = installed_runtime()
    assert "both installed" in told.problem
    assert "pip uninstall" in told.fix


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 archive/data.pkl", "PyTorch"),
        (b"\x80\x02}q\x00.", "pickle"),
        (b"\x80\x05}\x94.", "pickle"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1c\x00\x00\x00TFL3....", "TensorFlow Lite"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"hello, I am not a model at all", "not an ONNX file"),
    ],
)
def test_files_that_are_no_onnx_are_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelUnusable, match=words):
        open_engine(path)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(InputNotFound, match="no model file"):
        open_engine(tmp_path / "model.onnx")
