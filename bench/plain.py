"""The peer of ``bench.pipeline``: decode → model → grade → encode in one plain Python process.

PyAV, ONNX Runtime and OpenCV, as a short script would use them; nothing of Reelwire is imported. Run as
``python -m bench.plain CLIP OUT '{"width": 640, …}'``; prints ``{"frames": …, "seconds": …}``. The clock
starts once the model is loaded and stops when the file is complete, as for services that are up.
"""

from __future__ import annotations

import json
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnxruntime

GRAY = 128.0


@dataclass(frozen=True)
class Work:
    """What both sides do. ``threads`` of one inference, 0: all cores; ``seconds`` of the clip."""

    model: str
    width: int
    height: int
    seconds: float
    contrast: float
    preset: str
    quality: int
    threads: int


class Model:
    """A shipped model that takes and gives NCHW float32 pictures, in ONNX Runtime."""

    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        manifest = tomllib.loads((folder / "model.toml").read_text("utf-8"))
        self._white = 1.0 if manifest["input"]["range"] == "0..1" else 255.0
        self._input = self._session.get_inputs()[0].name

    def run(self, rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(H, W, 3) uint8 RGB → the same, changed."""
        tensor = rgb.transpose(2, 0, 1)[None].astype(np.float32, order="C") * (self._white / 255.0)
        made = self._session.run(None, {self._input: tensor})[0][0].transpose(1, 2, 0)
        made = np.clip(made * (255.0 / self._white) + 0.5, 0, 255)
        return np.ascontiguousarray(made, np.uint8)


def run_plain(clip: Path, out: Path, work: Work, model: Model) -> int:
    """The whole work, one frame after the other; gives the number of frames."""
    curve = np.clip((np.arange(256) - GRAY) * work.contrast + GRAY + 0.5, 0, 255).astype(np.uint8)
    count = 0
    with av.open(str(clip)) as source, av.open(str(out), "w", options={"movflags": "faststart"}) as target:
        video = source.streams.video[0]
        video.thread_type = "AUTO"
        encoder = target.add_stream("libx264", rate=video.average_rate)
        encoder.pix_fmt = "yuv420p"
        encoder.options = {"preset": work.preset, "crf": str(work.quality)}
        encoder.time_base = video.time_base
        for frame in source.decode(video):
            if frame.time is not None and frame.time >= work.seconds:
                break
            rgb = frame.reformat(work.width, work.height, "rgb24").to_ndarray()
            made = cv2.LUT(model.run(rgb), curve)
            if count == 0:
                encoder.height, encoder.width = made.shape[:2]
            picture = av.VideoFrame.from_ndarray(np.asarray(made, np.uint8), format="rgb24")
            picture.pts, picture.time_base = frame.pts, frame.time_base
            target.mux(encoder.encode(picture))
            count += 1
        target.mux(encoder.encode())
    return count


def main(clip: str, out: str, work: str) -> None:
    """Runs once and prints what it took."""
    settings = Work(**json.loads(work))
    model = Model(Path(settings.model), settings.threads)
    start = time.perf_counter()
    frames = run_plain(Path(clip), Path(out), settings, model)
    print(json.dumps({"frames": frames, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
