"""What is checked: each model in each precision on each backend, opened as a service opens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.gpu.pictures import frames
from reelwire.engines.backend import (
    Array,
    Backend,
    Candidate,
    Engine,
    EngineOptions,
    EngineStream,
    ShapeProfile,
)
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.builder_process import BuilderProcess
from reelwire.engines.tensorrt.libraries import Libraries
from reelwire.engines.tensorrt.order import PlanOrder, PlanReport
from reelwire.engines.tensorrt.progress import Progress
from reelwire.engines.wrapper import WrappedEngine
from reelwire.errors import OutsideShapeProfile, PlanMissing, ReelwireError
from reelwire.models.choice import open_reference
from reelwire.models.default_profiles import default_profiles, shapes_at
from reelwire.models.loading import ModelFiles, read_files
from reelwire.models.location import ModelLocation
from reelwire.models.race import Runner
from reelwire.models.recurrent import StatefulRunner
from reelwire.models.sample import EXACT_ELSEWHERE_DB, Sample, read_sample
from reelwire.models.spec import ModelSpec
from reelwire.models.understand import understand

ELSEWHERE_DB = 3.0
"""Below a model's floor, which holds for its sample, that another frame may be."""
Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Shape:
    """Of pictures."""

    batch: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is done. ``budget_ms``: for one frame of 640x360, there and back. ``growth_bytes``: of
    device memory that is no growth. ``ready_s``: for a plan of a small model, built aside. ``no_speed``: why
    times are no figures here. ``profile``: likeliest and largest that plans are built for, in place of
    the models' own."""

    shapes: tuple[Shape, ...]
    parity_steps: int
    timed_runs: int
    budget_ms: float
    memory_runs: int
    memory_streams: int
    streams: tuple[int, ...]
    steps_each: int
    growth_bytes: int
    ready_s: float
    no_speed: str = ""
    profile: tuple[Shape, Shape] | None = None


FULL = Extent(
    shapes=(
        Shape(1, 360, 640), Shape(3, 236, 364), Shape(1, 64, 64), Shape(1, 540, 960), Shape(1, 720, 1280),
        Shape(1, 1080, 1920),
    ),
    parity_steps=60, timed_runs=300, budget_ms=1000 / 30, memory_runs=1000, memory_streams=50,
    streams=(4, 16), steps_each=30, growth_bytes=16 << 20, ready_s=600.0,
)  # fmt: skip
"""The driver takes memory in large blocks: what is less than 16 MiB may be its own."""
WITH_FAKE = Extent(
    shapes=(Shape(1, 32, 48), Shape(3, 32, 36), Shape(1, 48, 48), Shape(1, 64, 32)),
    parity_steps=60, timed_runs=3, budget_ms=1000 / 30, memory_runs=20, memory_streams=5,
    streams=(4, 16), steps_each=2, growth_bytes=0, ready_s=120.0,
    no_speed="it ran, but a fake says nothing of speed",
    profile=(Shape(1, 32, 48), Shape(3, 64, 64)),
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A backend that can run here. ``libraries``: to ask for the GPU's memory; TensorRT's only where the
    backend is one."""

    backend: Backend
    libraries: Libraries
    device: str

    @property
    def name(self) -> str:
        """The backend's."""
        return self.backend.name


class Model:
    """One model: its files, meaning, sample, and ONNX Runtime's fp32 on the CPU beside them."""

    def __init__(self, location: ModelLocation, profile: tuple[Shape, Shape] | None = None) -> None:
        """``profile``: as ``Extent``. Raises as ``load_model``."""
        self.name = location.name
        self.files: ModelFiles = read_files(location)
        self.reference: Engine = open_reference(self.files.variants, EngineOptions(threads=0))
        self.spec: ModelSpec = understand(self.reference, self.files.manifest)
        self.sample: Sample | None = read_sample(location.manifest.parent, self.files.manifest)
        self.profiles = self.files.profiles or default_profiles(self.spec, self.reference.inputs)
        if profile is not None and self.profiles:
            self.profiles = (self._profile(profile),)
        self.floor_db = self.files.manifest.quality.min_psnr_db

    def shapes(self, wanted: Sequence[Shape]) -> tuple[Shape, ...]:
        """Those that it takes and a plan is built for, with its own sides where they are fixed, rounded up to
        its multiple; none where it takes no picture. Batches of 1 for models that see several frames."""
        found: dict[Shape, None] = {}
        if self.spec.image_input is None:
            return ()
        for shape in wanted:
            try:
                fitting = self._padded(shape)
            except OutsideShapeProfile:
                continue
            if self._is_built_for(fitting):
                found[fitting] = None
        return tuple(found)

    def feeds(self, shape: Shape, start: int = 0) -> Feeds:
        """All that is no state nor constant, from the clip's frames number ``start`` on."""
        picture = self.spec.picture_input
        count = self.spec.window.frames if picture.is_window else shape.batch
        pixels = frames(count, shape.height, shape.width, start)
        return {picture.name: self.spec.to_tensor(pixels)}

    def _profile(self, points: Sequence[Shape]) -> ShapeProfile:
        likeliest, largest = (self._given(self._padded(shape)) for shape in points)
        own = self.profiles[0].inputs
        return ShapeProfile("small", {n: (own[n][0], likeliest[n], largest[n]) for n in own})

    def close(self) -> None:
        """Frees the reference."""
        self.reference.close()

    def _padded(self, shape: Shape) -> Shape:
        picture = self.spec.picture_input
        height, width = picture.height or shape.height, picture.width or shape.width
        return Shape(1 if picture.is_window else shape.batch, *self.spec.padded_size(height, width))

    def _given(self, shape: Shape) -> dict[str, tuple[int, ...]]:
        size = (shape.height, shape.width)
        return shapes_at(self.spec, self.reference.inputs, shape.batch, size)

    def _is_built_for(self, shape: Shape) -> bool:
        given = self._given(shape)
        fixed = self.reference.inputs
        if not self.profiles:
            return all(
                isinstance(want, str) or want == got
                for tensor in fixed
                if tensor.name in given
                for want, got in zip(tensor.shape, given[tensor.name], strict=True)
            )
        return any(
            all(
                low <= length <= high
                for name, (least, _, largest) in profile.inputs.items()
                for low, length, high in zip(least, given[name], largest, strict=True)
            )
            for profile in self.profiles
        )


class WatchedEngine(WrappedEngine):
    """Keeps the streams that it made, to ask them what they recorded."""

    def __init__(self, inner: Engine) -> None:
        super().__init__(inner)
        self.made: list[EngineStream] = []

    def stream(self, states: Mapping[str, str]) -> EngineStream:
        """As ``Engine``."""
        self.made.append(self.inner.stream(states))
        return self.made[-1]


@dataclass
class Way:
    """One model in one precision on one backend. ``cache``: folder of its plan."""

    target: Target
    model: Model
    candidate: Candidate
    extent: Extent
    cache: Path
    _problem: ReelwireError | None = field(default=None, init=False)

    def __str__(self) -> str:
        return f"{self.target.name} {self.model.name} {self.candidate.precision}"

    @property
    def has_plan(self) -> bool:
        """Its backend runs plans."""
        return isinstance(self.target.backend, TensorRtBackend)

    @property
    def floor_db(self) -> float:
        """Least likeness of any frame to the reference's."""
        floor = self.model.floor_db - ELSEWHERE_DB
        return max(floor, EXACT_ELSEWHERE_DB) if self.candidate.precision == "fp32" else floor

    @property
    def options(self) -> EngineOptions:
        """As a service opens it."""
        states = {state.input: state.output for state in self.model.spec.states}
        return EngineOptions(profiles=self.model.profiles, states=states, cache=self.cache)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """That it is run at."""
        return self.model.shapes(self.extent.shapes)

    def order(self) -> PlanOrder:
        """What a builder is told."""
        assert isinstance(self.target.backend, TensorRtBackend), "only TensorRT has plans"
        return self.target.backend.plan_order(self.model.name, self.candidate, self.options)

    def build(self, heard: list[Progress] | None = None) -> PlanReport:
        """In a process of its own, unless the plan is there. It is tried once: raises the same again."""
        if self._problem is not None:
            raise self._problem
        try:
            return BuilderProcess(self.order(), heard.append if heard is not None else None).wait()
        except ReelwireError as error:
            self._problem = error
            raise

    @contextmanager
    def opened(self) -> Iterator[WatchedEngine]:
        """The engine; its plan is built where it is not there. Raises as ``Backend.open`` and ``build``."""
        try:
            engine = self.target.backend.open(self.candidate, self.options)
        except PlanMissing:
            self.build()
            engine = self.target.backend.open(self.candidate, self.options)
        watched = WatchedEngine(engine)
        try:
            yield watched
        finally:
            watched.close()

    @contextmanager
    def stream(self, engine: Engine) -> Iterator[StatefulRunner]:
        """One stream of it, as a service runs it; also of the reference."""
        runner = StatefulRunner(Runner(engine, self.model.spec))
        try:
            yield runner
        finally:
            runner.close()
