"""TensorRT for RTX as it is, but that each build writes a line beside the graph, and does before it what a
file there says: "crash", or "hang" for as long as that file is there."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import tensorrt_rtx as real
from tensorrt_rtx import *  # noqa: F403

__version__ = real.__version__
BUILDS, DEED = "builds.txt", "deed.txt"
POLL_S = 0.02


class OnnxParser(real.OnnxParser):  # type: ignore[misc]
    """Parsing comes before every build, and knows where the graph lies."""

    def parse_from_file(self, path: str) -> Any:
        """Counts, does the deed, parses."""
        folder = Path(path).parent
        with (folder / BUILDS).open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        deed = (folder / DEED).read_text() if (folder / DEED).exists() else ""
        if deed == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        while deed == "hang" and (folder / DEED).exists():
            threading.Event().wait(POLL_S)
        return super().parse_from_file(path)
