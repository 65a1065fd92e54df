"""What each model that ships costs, and how much a restyled clip flickers: on frames of a real clip.

    python -m bench.models [NAME …] [--clip CLIP] [--size 640x360] [--threads 1] [--json]

Milliseconds of inference alone, one model after the other on each frame. A model with a larger output gets a
smaller input, one of a fixed size its own. Flicker, for models that give pictures of the same size: the mean
absolute difference, in levels of 255, of each frame from the one before, moved to where it is now by the
optical flow of the source (Kroeger et al. 2016, as OpenCV's DIS). The source's own difference is what the
flow missed; pixels where it missed by more than 12 levels were uncovered or lit anew and do not count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np

from bench.report import Report, Row, say
from reelwire.engines.onnxruntime_session import installed_runtime
from reelwire.engines.registry import REFERENCE
from reelwire.engines.select import Wanted
from reelwire.media import Pixels
from reelwire.models import LoadedModel, ModelLibrary, StatefulRunner

CLIP = Path(__file__).resolve().parent.parent / "assets" / "bigbuckbunny.mp4"
FOUND_AGAIN_LEVELS = 12
WARM_UP_RUNS = 3
EXACT = Wanted(REFERENCE, "fp32")
"""``bench.engines`` compares the others."""


class Trial:
    """One model on one clip."""

    def __init__(self, model: LoadedModel, size: tuple[int, int]) -> None:
        spec = model.spec
        fixed = spec.picture_input
        self._model = model
        self._runner = StatefulRunner(model)
        self.width = fixed.width or size[0] // spec.scale
        self.height = fixed.height or size[1] // spec.scale
        self.row = Row(f"{model.name} {self.width}x{self.height}, ms")
        self.keeps_size = spec.image_output is not None and spec.scale == 1 and not fixed.width
        self.made: list[Pixels] = []
        """(H, W, 3) each, where ``keeps_size``."""

    def run(self, rgb: Pixels, *, measured: bool = True) -> None:
        """On one frame of any size."""
        frame = cv2.resize(rgb, (self.width, self.height), interpolation=cv2.INTER_AREA)
        tensor = self._model.spec.to_tensor(frame[None])
        began = time.perf_counter()
        outputs = self._runner.run({self._model.spec.picture_input.name: tensor})
        took_ms = 1000 * (time.perf_counter() - began)
        if not measured:
            return
        self.row.values.append(took_ms)
        if self.keeps_size:
            output = outputs[self._model.spec.picture_output.name]
            self.made.append(self._model.spec.to_pixels(output, (self.height, self.width))[0])


def decode(clip: Path, size: tuple[int, int], most: int) -> list[Pixels]:
    """The first ``most`` frames, (H, W, 3) uint8 RGB, scaled to (width, height)."""
    with av.open(str(clip)) as container:
        frames = (frame for frame, _ in zip(container.decode(video=0), range(most), strict=False))
        return [frame.reformat(*size, "rgb24").to_ndarray() for frame in frames]


def motions(frames: list[Pixels]) -> Iterator[tuple[Pixels, Pixels]]:
    """For each frame but the first: where its pixels were in the one before, as maps for ``cv2.remap``."""
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    rows, columns = np.mgrid[: frames[0].shape[0], : frames[0].shape[1]].astype(np.float32)
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    for before, after in pairwise(gray):
        back = flow.calc(after, before, None)
        yield columns + back[..., 0], rows + back[..., 1]


def flicker(source: list[Pixels], made: list[Pixels]) -> tuple[float, float]:
    """Of the source and of what was made from it; see the top of this file."""
    found: list[tuple[float, float]] = []
    for index, maps in enumerate(motions(source), 1):
        differences = [
            np.abs(cv2.remap(frames[index - 1], *maps, cv2.INTER_LINEAR).astype(int) - frames[index]).mean(2)
            for frames in (source, made)
        ]
        again = differences[0] < FOUND_AGAIN_LEVELS
        found.append((float(differences[0][again].mean()), float(differences[1][again].mean())))
    return tuple(np.mean(found, axis=0))  # type: ignore[return-value]


def measure(given: argparse.Namespace) -> Report:
    """All models on the same frames."""
    frames = decode(given.clip, given.size, given.frames)
    library = ModelLibrary(given.models, threads=given.threads)
    try:
        names = given.names or [entry.name for entry in library.list()]
        trials = [Trial(library.open(name, EXACT), given.size) for name in names]
        for trial in trials:
            for _ in range(WARM_UP_RUNS):
                trial.run(frames[0], measured=False)
        for index, frame in enumerate(frames, 1):
            say(f"frame {index} of {len(frames)}")
            for trial in trials:
                trial.run(frame)
    finally:
        library.close()
    figures = {
        f"{trial.row.name.removesuffix(', ms')}, fastest ms": min(trial.row.values) for trial in trials
    }
    for trial in trials:
        if trial.keeps_size:
            of_source, of_made = flicker(frames, trial.made)
            figures["flicker of the source, levels"] = of_source
            figures[f"flicker through {trial.row.name.split()[0]}, levels"] = of_made
    settings = {"clip": given.clip.name, "frames": len(frames), "threads": given.threads}
    return Report(
        [trial.row for trial in trials], {}, {**settings, "runtime": installed_runtime().device}, figures
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", help="models; default: all")
    add("--clip", type=Path, default=CLIP)
    add("--size", type=_size, default=(640, 360), help="of what comes out, WIDTHxHEIGHT (default: 640x360)")
    add("--frames", type=int, default=24, help="of the clip's start (default: %(default)s)")
    add("--threads", type=int, default=1, help="of one inference; 0: all cores (default: %(default)s)")
    add("--models", type=Path, action="append", default=[], metavar="DIR", help="a folder of more models")
    add("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    measure(given).print(as_json=given.json)


if __name__ == "__main__":
    main()
