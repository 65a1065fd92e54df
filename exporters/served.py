"""A model folder's graphs, run as services run them: pictures in the model's range, state carried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exporters.errors import ExportError
from reelwire.engines.backend import Array, Engine, EngineStream, TensorSpec
from reelwire.engines.host_stream import HostStream
from reelwire.engines.select import Wanted, open_engine
from reelwire.errors import ReelwireError
from reelwire.media import Pixels
from reelwire.models.loading import ModelFiles, read_files
from reelwire.models.location import locate
from reelwire.models.recurrent import StatefulRunner
from reelwire.models.spec import ModelSpec
from reelwire.models.understand import understand

Feeds = Mapping[str, Array]


@dataclass
class Recorder:
    """An engine that keeps what each run was given, state included, and what it gave."""

    engine: Engine
    inputs: list[dict[str, Array]] = field(default_factory=list)
    outputs: list[dict[str, Array]] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def run(self, inputs: Feeds) -> dict[str, Array]:
        """As ``Engine``."""
        outputs = self.engine.run(inputs)
        self.inputs.append(dict(inputs))
        self.outputs.append(dict(outputs))
        return outputs

    def stream(self, states: Mapping[str, str]) -> EngineStream:
        """As ``Engine``."""
        return HostStream(self.run, states)


@dataclass(frozen=True)
class Served:
    """A model in memory. ``engine`` runs its fp32 graph."""

    files: ModelFiles
    spec: ModelSpec
    engine: Engine

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Of the graph."""
        return self.engine.inputs

    @property
    def carries_state(self) -> bool:
        """Frames must follow one another."""
        return bool(self.spec.states)

    def feeds(self, frames: Pixels) -> list[dict[str, Array]]:
        """What each run is given besides state and constants: one picture, or one window of them."""
        window = self.spec.window
        starts = range(0, len(frames) - window.frames + 1, window.hop)
        name = self.spec.picture_input.name
        return [{name: self.spec.to_tensor(frames[at : at + window.frames])} for at in starts]


@contextmanager
def opened(folder: Path) -> Iterator[Served]:
    """The model of a folder, its fp32 graph on ONNX Runtime. ExportError: it cannot be used."""
    try:
        files = read_files(locate(folder))
        engine = open_engine(files.facts.path, wanted=Wanted("onnxruntime"), threads=0, facts=files.facts)
    except ReelwireError as error:
        raise ExportError(f"{folder} cannot be used: {error.message}") from None
    try:
        yield Served(files, understand(engine, files.manifest), engine)
    except ReelwireError as error:
        raise ExportError(f"{folder}: {error.message}") from None
    finally:
        engine.close()


def run_stream(engine: Engine, spec: ModelSpec, feeds: Sequence[Feeds]) -> Recorder:
    """All of a stream's runs on ``engine``, its own state carried on."""
    recorder = Recorder(engine)
    runner = StatefulRunner(Standing(spec, recorder))
    for each in feeds:
        runner.run(each)
    runner.close()
    return recorder


def run_file(path: Path, spec: ModelSpec, feeds: Sequence[Feeds]) -> Recorder:
    """As ``run_stream`` on ONNX Runtime, of one graph file. ExportError: it cannot be loaded or run."""
    try:
        engine = open_engine(path, wanted=Wanted("onnxruntime"), threads=0)
    except ReelwireError as error:
        raise ExportError(f"{path.name} cannot be loaded: {error.message}") from None
    try:
        return run_stream(engine, spec, feeds)
    except ReelwireError as error:
        raise ExportError(f"{path.name} does not run: {error.message}") from None
    finally:
        engine.close()


@dataclass(frozen=True)
class Standing:
    """A model as far as a runner needs it."""

    spec: ModelSpec
    engine: Engine


def seeded_frames(count: int, height: int, width: int, seed: int = 0) -> Pixels:
    """Frames (T, H, W, 3) uint8 with smooth and sharp parts, no two alike, where no clip was given."""
    rows, columns = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).integers(0, 48, (count, height, width, 3))
    ramps = [
        np.stack([(rows * 3 + 7 * t) % 208, (columns * 2 + 5 * t) % 208, (rows + columns + t) % 208], -1)
        for t in range(count)
    ]
    return (np.stack(ramps) + noise).astype(np.uint8)
