"""A model folder is there whole or not at all, and nothing of anyone else's is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporters.directory import new_model_folder
from exporters.errors import ExportError
from tests.reelwire.models import graphs

ROOT = Path(__file__).resolve().parents[2]


def export(models: Path, *, shift: float = 0.0, toml: str = 'name = "net"\n', fail: bool = False) -> None:
    """Writes the model "net" into ``models``, as an exporter does; ``fail``: an error before the end."""
    with new_model_folder(models, "net") as folder:
        graphs.gain(folder / "model.onnx", shift=shift)
        (folder / "model.toml").write_text(toml)
        assert folder != models / "net"
        if fail:
            raise RuntimeError("on the way")


def everything(folder: Path) -> list[str]:
    """Every file and folder below."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


WHOLE = ["net", "net/model.onnx", "net/model.toml"]


def test_a_model_appears_under_its_name_when_it_is_whole(tmp_path: Path) -> None:
    export(tmp_path)
    assert everything(tmp_path) == WHOLE


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="on the way"):
        export(tmp_path, fail=True)
    assert everything(tmp_path) == []


def test_a_kill_while_writing_leaves_nothing_under_any_models_name(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from exporters.directory import new_model_folder\n"
        "with new_model_folder(Path(sys.argv[1]), 'net') as folder:\n"
        "    (folder / 'model.onnx').write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, timeout=120, check=False)
    assert done.returncode == -9
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    export(tmp_path)
    assert (tmp_path / "net" / "model.onnx").is_file()


def test_a_new_export_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    for shift in (0.0, 1.0):
        export(tmp_path, shift=shift)
    assert everything(tmp_path) == WHOLE
    assert (tmp_path / "net" / "model.onnx").read_bytes() == graphs.gain(
        tmp_path / "again.onnx", shift=1.0
    ).read_bytes()


def test_what_services_would_refuse_leaves_the_old_model(tmp_path: Path) -> None:
    export(tmp_path)
    before = (tmp_path / "net" / "model.onnx").read_bytes()
    with pytest.raises(ExportError, match=r"services would refuse the exported model: .*unknown key"):
        export(tmp_path, shift=1.0, toml="colour = 3\n")
    assert everything(tmp_path) == WHOLE
    assert (tmp_path / "net" / "model.onnx").read_bytes() == before


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_what_is_no_exported_model_is_never_replaced(taken: str, tmp_path: Path) -> None:
    if taken == "file":
        (tmp_path / "net").write_text("mine")
    else:
        (tmp_path / "net").mkdir()
        (tmp_path / "net" / "thesis.txt").write_text("mine")
    before = everything(tmp_path)
    with pytest.raises(ExportError, match="is no exported model"):
        export(tmp_path)
    assert everything(tmp_path) == before


def test_ctrl_c_between_the_two_renames_leaves_the_older_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path, shift=0.25)
    older = (tmp_path / "net" / "model.onnx").read_bytes()
    rename = os.rename

    def interrupted(source: Path, target: Path) -> None:
        if target == tmp_path / "net" and source.name == "net":
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path)
    assert everything(tmp_path) == WHOLE
    assert (tmp_path / "net" / "model.onnx").read_bytes() == older


def test_one_version_of_a_model_is_replaced_in_its_own_folder(tmp_path: Path) -> None:
    with new_model_folder(tmp_path / "net", "2") as folder:
        graphs.gain(folder / "model.onnx")
        (folder / "model.toml").write_text('name = "net"\nversion = "2"\n')
    assert everything(tmp_path) == ["net", "net/2", "net/2/model.onnx", "net/2/model.toml"]
