"""What someone sees who watches: progress, and where the time went, within 80 columns."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

from tests.reelwire.cli.running import COMMAND, LIVENESS_S, environment, names_in

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLUMNS = 80


def watched(*arguments: str | Path) -> tuple[int, list[str]]:
    """Runs a command whose standard error, and output, are a terminal of 80 columns; what it showed."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env=environment(TERM="xterm"),
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # the last one that had it open is gone
            break
        if not data:
            break
        shown += data
    os.close(leader)
    status = process.wait(LIVENESS_S)
    return status, [line.rstrip() for line in re.split(r"[\r\n]+", ESCAPES.sub("", shown.decode()))]


def test_a_run_shows_frames_per_second_and_where_the_time_went(
    served: str, clip: Path, tmp_path: Path
) -> None:
    status, lines = watched(
        "run",
        clip,
        tmp_path / "out.mp4",
        "--model",
        "identity",
        "--backend",
        "onnxruntime",
        "--connect",
        served,
    )
    assert status == 0
    last = [line for line in lines if line.startswith("running")][-1]
    assert re.search(r"25/25 frames +[0-9.]+ fps", last), last
    for stage in ("preprocess", "generator", "editor", "encoder"):
        frames, times = (line for line in lines if line.strip().startswith(stage))
        assert frames.split()[1:] == ["25", "0", "25", "0", "0"]
        assert len(re.findall(r"[0-9.]+/[0-9.]+/[0-9.]+", times)) == 4, times
    assert any(line.strip().startswith("end to end: ") for line in lines)
    assert "identity@1 on onnxruntime, cpu, fp32" in [line.strip() for line in lines], "what ran it is said"
    assert max(map(len, lines)) <= COLUMNS


def test_bytes_are_not_poured_into_a_terminal(served: str, clip: Path, tmp_path: Path) -> None:
    status, lines = watched("run", clip, "-o", "-", "--connect", served)
    assert status == 1
    assert any("standard output is a terminal; pipe it into a program" in line for line in lines)
    assert names_in(tmp_path) == []
