"""Whether batches across streams pay: the decision for each model that ships, and streams with and without.

    python -m bench.batching [NAME …] [--streams 16] [--size 320x180] [--seconds 4] [--rounds 5] [--json]

For each model, backend and precision: the decision as a service makes it with REELWIRE_BATCH=auto, measured
anew. Then so many streams, a thread each as in a service, through one engine as fast as they go: each
stream's frames alone, and with batches as decided ("auto"), in interleaved rounds. Where auto turned batches
on, ends with status 1 if they give less than 0.95 of the frames per second without.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from bench.report import Report, Row, say
from reelwire.engines.backend import Array
from reelwire.engines.registry import BACKEND_NAMES, backend
from reelwire.engines.select import Wanted
from reelwire.errors import ModelUnusable
from reelwire.models import LoadedModel, ModelLibrary, StatefulRunner
from reelwire.models.batch_decision import BatchOptions
from reelwire.models.library import SHIPPED
from reelwire.models.loading import read_files
from reelwire.models.location import find_models

LEAST_RATIO = 0.95


def ways(names: list[str]) -> Iterator[tuple[str, Wanted]]:
    """Each model that ships, or that was named, on each backend and precision that runs here."""
    for name, locations in sorted(find_models((SHIPPED,)).items()):
        if names and name not in names:
            continue
        variants = read_files(locations[-1]).variants
        for each in (backend(known) for known in BACKEND_NAMES):
            if each.probe().ok:
                for candidate in each.candidates(variants):
                    yield name, Wanted(candidate.backend, candidate.precision)


@contextmanager
def both(name: str, wanted: Wanted, streams: int) -> Iterator[tuple[LoadedModel, LoadedModel]]:
    """The model without batches, and as auto decides."""
    libraries = [ModelLibrary([], batch=BatchOptions(mode, streams=streams)) for mode in ("off", "auto")]
    try:
        alone, auto = (library.open(name, wanted) for library in libraries)
        yield alone, auto
    finally:
        for library in libraries:
            library.close()


def fps(model: LoadedModel, tensors: list[Array], seconds: float) -> float:
    """Frames per second of all streams together, one thread each."""
    ready = threading.Barrier(len(tensors) + 1)
    stop = threading.Event()
    name = model.spec.picture_input.name

    def stream(tensor: Array) -> int:
        runner = StatefulRunner(model)
        runner.run({name: tensor})  # a first batch of a shape is checked
        ready.wait()
        count = 0
        while not stop.is_set():
            runner.run({name: tensor})
            count += 1
        runner.close()
        return count

    with ThreadPoolExecutor(len(tensors)) as pool:
        counts = [pool.submit(stream, tensor) for tensor in tensors]
        ready.wait()
        began = time.perf_counter()
        stop.wait(seconds)
        stop.set()
        total = sum(count.result() for count in counts)
        return total / (time.perf_counter() - began)


def inputs(model: LoadedModel, streams: int, size: tuple[int, int]) -> list[Array]:
    """One window of noise for each stream, of another seed."""
    picture, multiple = model.spec.picture_input, model.spec.multiple
    width, height = (max(side // model.spec.scale // multiple, 1) * multiple for side in size)
    shape = (model.spec.window.frames, picture.height or height, picture.width or width, 3)
    return [
        model.spec.to_tensor(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))
        for seed in range(streams)
    ]


def compare(way: str, models: tuple[LoadedModel, LoadedModel], given: argparse.Namespace) -> tuple[Row, Row]:
    """Frames per second alone and with batches, in interleaved rounds."""
    tensors = inputs(models[0], given.streams, given.size)
    pair = Row(f"{way}, alone, fps"), Row(f"{way}, auto, fps")
    for number in range(given.rounds + 1):
        for row, model in zip(pair, models, strict=True):
            found = fps(model, tensors, given.seconds if number else given.seconds / 4)
            if number:  # the first warms up
                row.values.append(found)
        say(f"{way}: round {number} of {given.rounds}")
    return pair


def measure(given: argparse.Namespace) -> tuple[Report, list[str]]:
    """All ways; and which of them gain less than they must."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    missed: list[str] = []
    for name, wanted in ways(given.names):
        way = f"{name} {wanted.backend} {wanted.precision}"
        try:
            with both(name, wanted, given.streams) as models:
                on = models[1].batching.on
                say(f"decision: {way}: {models[1].batching}")
                if not (on or given.all):
                    continue
                pair = compare(way, models, given)
        except ModelUnusable as error:
            say(f"not measured: {way}: {error.message}")
            continue
        rows += pair
        ratio = ratios[f"{way}, auto / alone"] = pair[1].median / pair[0].median
        if on and ratio < LEAST_RATIO:
            missed.append(way)
    settings = {
        "streams": given.streams,
        "size": f"{given.size[0]}x{given.size[1]}",
        "seconds": given.seconds,
    }
    return Report(rows, ratios, settings), missed


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.batching",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", help="models; default: all that ship")
    add("--streams", type=int, default=16, help="at once (default: %(default)s)")
    add("--size", type=_size, default=(320, 180), help="of what comes out, WIDTHxHEIGHT (default: 320x180)")
    add("--seconds", type=float, default=4, help="of each side in each round (default: %(default)s)")
    add("--rounds", type=int, default=5, help="(default: %(default)s)")
    add("--all", action="store_true", help="also run where auto leaves batches off")
    add("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # nothing that was decided before
        os.environ["REELWIRE_CACHE_DIR"] = folder
        report, missed = measure(given)
    report.print(as_json=given.json)
    for way in missed:
        say(f"failed: {way}: batches were turned on and give less than {LEAST_RATIO} of runs alone")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
