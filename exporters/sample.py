"""sample.npz: one small run of the fp32 graph, which every machine that serves the model must reproduce."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from exporters.frames import read_frames
from exporters.served import Recorder, Served, run_stream, seeded_frames
from reelwire.engines.backend import Array
from reelwire.media import Pixels

SAMPLE_NAME = "sample.npz"
TOLERANCE = 1e-4
"""Of outputs of magnitude 1; CPUs round sums in other orders."""
SHOWN = (48, 64)
"""Height and width of what comes out: a few tens of kB."""


def sample_frames(served: Served, clips: Sequence[Path]) -> Pixels:
    """As many frames as one run takes, of a small size that the model takes: of the clips, or seeded ones."""
    picture, spec = served.spec.picture_input, served.spec
    height, width = (
        fixed or min(max(shown // spec.scale, spec.min_size), spec.max_size)
        for fixed, shown in zip((picture.height, picture.width), SHOWN, strict=True)
    )
    if not clips:
        return seeded_frames(spec.window.frames, height, width)
    return read_frames(clips[:1], spec.window.frames, (height, width), consecutive=True)


def make_sample(served: Served, clips: Sequence[Path]) -> Recorder:
    """The run: its inputs, states and constants among them, and its outputs."""
    return run_stream(served.engine, served.spec, served.feeds(sample_frames(served, clips))[:1])


def write_sample(folder: Path, inputs: dict[str, Array], outputs: dict[str, Array]) -> dict[str, Any]:
    """Writes the file; gives [sample] of model.toml."""
    arrays = {f"input {name}": array for name, array in inputs.items()}
    arrays |= {f"output {name}": array for name, array in outputs.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    (folder / SAMPLE_NAME).write_bytes(buffer.getvalue())
    largest = max((float(np.abs(array).max(initial=0)) for array in outputs.values()), default=1.0)
    return {
        "file": SAMPLE_NAME,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "tolerance": float(f"{TOLERANCE * max(1.0, largest):.3g}"),
    }
