"""The command as a user types it: in a process of its own, or in this one where only its words count."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import psutil
from typer.testing import CliRunner

from reelwire.cli.app import app
from tests.pinned import pinned_environment

LIVENESS_S = 120.0
COMMAND = (sys.executable, "-P", "-m", "reelwire.cli")
ENDLESS = "testsrc:size=64x48:rate=25:duration=3600"


@dataclass(frozen=True)
class Done:
    """What a command left."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode()

    @property
    def error(self) -> str:
        """The one line on standard error of a command that failed."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert self.status == 1
        return lines[0]


def environment(**changed: str) -> dict[str, str]:
    """This process's, without what would change the command."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("REELWIRE_", "_REEL"))}
    return {**own, **pinned_environment(), "COLUMNS": "80", **changed}


def reelwire(*arguments: str | Path, stdin: bytes = b"", folder: Path | None = None, **changed: str) -> Done:
    """Runs a command to its end. ``changed``: environment variables."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env=environment(**changed),
        timeout=LIVENESS_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr.decode())


def typed(*arguments: str | Path) -> Done:
    """The same within this process, which spares a second of imports."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return Done(result.exit_code, result.stdout_bytes, result.stderr)


@contextmanager
def started(*arguments: str | Path, folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs; killed at the end where it still does."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment(),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=LIVENESS_S)


def finish(process: subprocess.Popen[bytes]) -> Done:
    """Waits for its end."""
    out, err = process.communicate(timeout=LIVENESS_S)
    return Done(process.returncode, out, err.decode())


def services_of(process: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """Its services by stage, as the system shows them."""
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        words = child.cmdline()
        if "services" in words:
            found |= dict.fromkeys(words[words.index("services") + 1 :], child)
    return found


def none_left(processes: dict[str, psutil.Process]) -> bool:
    """True when all have ended, within the liveness bound."""
    _, alive = psutil.wait_procs(list(processes.values()), timeout=LIVENESS_S)
    return not alive


def until(what: str, happened: Callable[[], bool]) -> None:
    """Waits for it."""
    end = time.monotonic() + LIVENESS_S
    while not happened():
        assert time.monotonic() < end, f"{what} never happened"
        time.sleep(0.02)


def part_in(folder: Path) -> Callable[[], bool]:
    """True when an output of some bytes is being written there."""
    return lambda: any(part.stat().st_size for part in folder.glob(".reelwire-*.part"))


def names_in(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def frame_count(path: Path) -> int:
    """Pictures of a file, decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(container.streams.video[0]))
