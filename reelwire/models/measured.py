"""What the metrics say of models: which are loaded, and how long each run took."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from prometheus_client import Gauge

from reelwire import metrics
from reelwire.engines.backend import Array, Engine, EngineStream
from reelwire.engines.wrapper import WrappedEngine
from reelwire.models.spec import ModelSpec


class Runs:
    """The metrics of one engine's real inferences."""

    def __init__(self, engine: Engine, model: str, spec: ModelSpec) -> None:
        self._seconds = metrics.ENGINE_RUN.labels(model, engine.backend, engine.precision)
        self._frames = metrics.ENGINE_BATCH.labels(model)
        self._picture = spec.image_input.name if spec.image_input else ""
        self._window = spec.window.frames

    def measure(
        self, run: Callable[[Mapping[str, Array]], dict[str, Array]], inputs: Mapping[str, Array]
    ) -> dict[str, Array]:
        """One inference, noted once it has ended well."""
        start = time.perf_counter()
        outputs = run(inputs)
        self._seconds.observe(time.perf_counter() - start)
        self._frames.observe(len(inputs[self._picture]) * self._window if self._picture else 1)
        return outputs


class MeasuredStream:
    """A stream whose runs are in the metrics."""

    def __init__(self, stream: EngineStream, runs: Runs) -> None:
        self._stream = stream
        self._runs = runs

    def step(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """As ``EngineStream``."""
        return self._runs.measure(self._stream.step, feeds)

    def state(self) -> dict[str, Array]:
        """As ``EngineStream``."""
        return self._stream.state()

    def load(self, state: Mapping[str, Array]) -> None:
        """As ``EngineStream``."""
        self._stream.load(state)

    def close(self) -> None:
        """As ``EngineStream``."""
        self._stream.close()


class MeasuredEngine(WrappedEngine):
    """An engine whose runs are in the metrics."""

    def __init__(self, inner: Engine, model: str, spec: ModelSpec) -> None:
        super().__init__(inner)
        self._runs = Runs(inner, model, spec)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As ``Engine``."""
        return self._runs.measure(self.inner.run, inputs)

    def stream(self, states: Mapping[str, str]) -> EngineStream:
        """As ``Engine``."""
        return MeasuredStream(self.inner.stream(states), self._runs)


class Shown:
    """Info metrics of what is loaded: two versions may have one engine's labels, the last one takes them
    away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[Gauge, tuple[str, ...]]] = Counter()

    def add(self, gauge: Gauge, labels: tuple[str, ...], value: float = 1) -> None:
        """One more; what is shown is the last one's value."""
        with self._lock:
            self._counts[gauge, labels] += 1
            gauge.labels(*labels).set(value)

    def remove(self, gauge: Gauge, labels: tuple[str, ...]) -> None:
        """One less."""
        with self._lock:
            self._counts[gauge, labels] -= 1
            if not self._counts[gauge, labels]:
                del self._counts[gauge, labels]
                gauge.remove(*labels)


SHOWN = Shown()
