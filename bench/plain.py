"""The peers of ``bench.pipeline``: decode → model → grade → encode in one plain Python process.

PyAV, ONNX Runtime and OpenCV, as a short script would use them, one frame after the other or with a thread
for each step; nothing of Reelwire is imported. Run as ``python -m bench.plain CLIP OUT '{"width": 640, …}'``;
prints ``{"frames": …, "seconds": …, "cpu_s": …}``. The clocks start once the model is loaded and stop when
the file is complete, as for services that are up.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar

import av
import cv2
import numpy as np
import onnxruntime

GRAY = 128.0
WAITING_FRAMES = 8
Item = TypeVar("Item")
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Work:
    """What all sides do. ``threads`` of one inference; ``seconds`` of the clip. ``threaded``: a thread for
    each step of the plain process."""

    model: str
    width: int
    height: int
    seconds: float
    contrast: float
    preset: str
    quality: int
    threads: int
    threaded: bool = False


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


@dataclass(frozen=True)
class Picture:
    """(H, W, 3) uint8 RGB and when it is shown, in ticks of ``time_base`` seconds."""

    rgb: Pixels
    pts: int | None
    time_base: Fraction


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, made by a thread of their own; a few wait between the two."""
    queue: Queue[Item | BaseException | None] = Queue(WAITING_FRAMES)

    def make() -> None:
        last = None
        try:
            for item in items:
                queue.put(item)
        except BaseException as error:
            last = error
        queue.put(last)

    threading.Thread(target=make, daemon=True).start()
    while (item := queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def decoded(source: Any, work: Work) -> Iterator[Picture]:
    """The clip's first seconds, scaled."""
    for frame in source.decode(source.streams.video[0]):
        if frame.time is not None and frame.time >= work.seconds:
            return
        rgb = frame.reformat(work.width, work.height, "rgb24").to_ndarray()
        yield Picture(rgb, frame.pts, frame.time_base)


def restyled(pictures: Iterable[Picture], model: Model) -> Iterator[Picture]:
    """Through the model."""
    for picture in pictures:
        yield replace(picture, rgb=model.run(picture.rgb))


def graded(pictures: Iterable[Picture], contrast: float) -> Iterator[Picture]:
    """Levels stretched from middle gray."""
    curve = np.clip((np.arange(256) - GRAY) * contrast + GRAY + 0.5, 0, 255).astype(np.uint8)
    for picture in pictures:
        yield replace(picture, rgb=np.asarray(cv2.LUT(picture.rgb, curve), np.uint8))


def write(pictures: Iterable[Picture], target: Any, rate: Any, work: Work) -> int:
    """Encodes and muxes all of them; gives their number."""
    encoder = target.add_stream("libx264", rate=rate)
    encoder.pix_fmt = "yuv420p"
    encoder.options = {"preset": work.preset, "crf": str(work.quality)}
    count = 0
    for picture in pictures:
        if count == 0:
            encoder.time_base = picture.time_base
            encoder.height, encoder.width = picture.rgb.shape[:2]
        frame = av.VideoFrame.from_ndarray(picture.rgb, format="rgb24")
        frame.pts, frame.time_base = picture.pts, picture.time_base
        target.mux(encoder.encode(frame))
        count += 1
    target.mux(encoder.encode())
    return count


def run_plain(clip: Path, out: Path, work: Work, model: Model) -> int:
    """The whole work; gives the number of frames."""
    step = ahead if work.threaded else iter
    with av.open(str(clip)) as source, av.open(str(out), "w", options={"movflags": "faststart"}) as target:
        video = source.streams.video[0]
        video.thread_type = "AUTO"
        pictures = step(restyled(step(decoded(source, work)), model))
        return write(step(graded(pictures, work.contrast)), target, video.average_rate, work)


def main(clip: str, out: str, work: str) -> None:
    """Runs once and prints what it took."""
    settings = Work(**json.loads(work))
    model = Model(Path(settings.model), settings.threads)
    start, cpu_s = time.perf_counter(), time.process_time()
    frames = run_plain(Path(clip), Path(out), settings, model)
    took = {"seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu_s}
    print(json.dumps({"frames": frames, **took}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
