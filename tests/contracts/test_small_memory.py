"""Shared memory that is small or full: pixels go in messages, and it is said; never a signal, never a frame
less."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reelwire.hop.checks import STAGES

MOUNTED = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
LIVENESS_S = 120


def mounted(folder: Path, size: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs it where ``folder`` is a file system in memory of that size, which nobody else sees."""
    mount = shlex.join(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)])
    shell = f"{mount} && exec {shlex.join(command)}"
    return subprocess.run([*MOUNTED, shell], capture_output=True, text=True, timeout=LIVENESS_S, check=False)


@pytest.fixture(scope="module", autouse=True)
def can_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mount")
    try:
        done = mounted(folder, "1m", ["true"])
    except FileNotFoundError:
        pytest.skip("no unshare here: a small shared memory cannot be made")
    if done.returncode:
        pytest.skip(f"no small shared memory can be mounted here: {done.stderr.strip()}")


def run(folder: Path, size: str, pin: str, full: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.contracts.small_memory", str(folder), pin, full]
    done = mounted(folder, size, command)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("size", "full"),
    [("64k", "before"), ("64k", "never"), ("1m", "never"), ("3m", "never"), ("64m", "amid")],
    ids=["no byte", "no frame", "a few frames of one ring", "a few frames of each", "full amid the stream"],
)
def test_without_room_the_stream_is_whole_in_messages_and_says_so(
    tmp_path: Path, size: str, full: str
) -> None:
    told = run(tmp_path, size, "", full)
    assert told["whole"]
    assert told["accounts"] == [[40, 40]] * 4
    assert told["degraded"], "somebody says it"
    for text in told["degraded"].values():
        assert "pixels go in the messages (REELWIRE_SHM_DIR)" in text
        assert str(tmp_path) in text
    if full == "before" or size == "64k":
        assert told["places"] == ["inline"] * 4
        assert set(told["degraded"]) >= {"client", *STAGES[:3]}


def test_with_room_nothing_is_said(tmp_path: Path) -> None:
    told = run(tmp_path, "256m", "", "never")
    assert (told["whole"], told["degraded"]) == (True, {})
    assert told["places"] == ["shared_memory"] * 4


@pytest.mark.parametrize(("size", "full"), [("64k", "before"), ("64k", "never"), ("64m", "amid")])
def test_where_pixels_must_lie_there_a_want_of_room_is_an_error(tmp_path: Path, size: str, full: str) -> None:
    told = run(tmp_path, size, "shared_memory", full)
    assert (told.get("code"), told.get("reason")) == ("FAILED_PRECONDITION", "PLACE_UNAVAILABLE"), told
    assert "REELWIRE_PIXELS=shared_memory" in told["text"]
