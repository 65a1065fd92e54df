"""What holds for every process of every test: nothing of the user's is read or written, and bytes can be
compared."""

from __future__ import annotations

import os

# Which engine is fastest is measured, so two processes could differ in what they compute: tests run on the
# reference, in this process and in those that it starts. Tests of the choice say otherwise.
ENGINE = {"REELWIRE_BACKEND": "onnxruntime", "REELWIRE_PRECISION": "fp32"}
CACHE = "REELWIRE_CACHE_DIR"


def pinned_environment() -> dict[str, str]:
    """For a process that is started with an environment of its own."""
    return {name: os.environ[name] for name in (*ENGINE, CACHE)}
