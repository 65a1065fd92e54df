"""The user's cache: where it lies, who may write into it, and files that are whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reelwire.cache import default_cache_folder, own_folder, write_whole
from reelwire.errors import BadParameter

DIES_WHILE_WRITING = """
import os, pathlib, signal, sys
import reelwire.cache
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
reelwire.cache.write_whole(pathlib.Path(sys.argv[1]), b"new" * 1000)
"""


def test_the_setting_decides_then_the_desktops_folder_then_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("REELWIRE_CACHE_DIR", raising=False)
    assert default_cache_folder() == tmp_path / ".cache" / "reelwire"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache_folder() == tmp_path / ".cache" / "reelwire"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_folder() == tmp_path / "xdg" / "reelwire"
    monkeypatch.setenv("REELWIRE_CACHE_DIR", str(tmp_path / "own"))
    assert default_cache_folder() == tmp_path / "own"


def test_a_new_folder_is_open_to_nobody_else(tmp_path: Path) -> None:
    assert own_folder(tmp_path / "a" / "plans").stat().st_mode & 0o777 == 0o700
    assert own_folder(tmp_path / "a") == tmp_path / "a", "what had to be made above it is one's own too"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.mkdir() or path.chmod(0o770), "has mode 770, expected 700"),
        (lambda path: path.symlink_to(path.parent), "is no folder but a link"),
        (lambda path: path.write_text(""), "File exists"),
    ],
    ids=["open to the group", "a link", "a file"],
)
def test_a_folder_that_others_could_write_into_is_refused(tmp_path: Path, spoil: object, said: str) -> None:
    assert callable(spoil)
    spoil(tmp_path / "plans")
    with pytest.raises(BadParameter, match=said) as caught:
        own_folder(tmp_path / "plans")
    assert caught.value.field == "REELWIRE_CACHE_DIR"


def test_a_file_appears_whole_and_replaces_the_older_one(tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        write_whole(tmp_path / "file", text)
        assert (tmp_path / "file").read_bytes() == text
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_process_that_dies_while_it_writes_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    died = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, str(tmp_path / "file")], check=False)
    assert died.returncode == -9
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []
