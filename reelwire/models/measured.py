"""What the metrics say of models: which are loaded, and how long each run took."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

from prometheus_client import Gauge, Histogram

from reelwire import metrics
from reelwire.engines.backend import Array, Engine, EngineStream, TensorSpec


class MeasuredStream:
    """A stream whose runs are in the metrics."""

    def __init__(self, stream: EngineStream, seconds: Histogram) -> None:
        self._stream = stream
        self._seconds = seconds

    def step(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """As ``EngineStream``."""
        start = time.perf_counter()
        outputs = self._stream.step(feeds)
        self._seconds.observe(time.perf_counter() - start)
        return outputs

    def state(self) -> dict[str, Array]:
        """As ``EngineStream``."""
        return self._stream.state()

    def load(self, state: Mapping[str, Array]) -> None:
        """As ``EngineStream``."""
        self._stream.load(state)

    def close(self) -> None:
        """As ``EngineStream``."""
        self._stream.close()


class MeasuredEngine:
    """An engine whose runs are in the metrics."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine = engine
        self._seconds = metrics.ENGINE_RUN.labels(model, engine.backend, engine.precision)

    @property
    def backend(self) -> str:
        """As ``Engine``."""
        return self._engine.backend

    @property
    def device(self) -> str:
        """As ``Engine``."""
        return self._engine.device

    @property
    def precision(self) -> str:
        """As ``Engine``."""
        return self._engine.precision

    @property
    def threads(self) -> int:
        """As ``Engine``."""
        return self._engine.threads

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """As ``Engine``."""
        return self._engine.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """As ``Engine``."""
        return self._engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As ``Engine``."""
        start = time.perf_counter()
        outputs = self._engine.run(inputs)
        self._seconds.observe(time.perf_counter() - start)
        return outputs

    def stream(self, states: Mapping[str, str]) -> EngineStream:
        """As ``Engine``."""
        return MeasuredStream(self._engine.stream(states), self._seconds)

    def close(self) -> None:
        """As ``Engine``."""
        self._engine.close()


class Shown:
    """Info metrics of what is loaded: two versions may have one engine's labels, the last one takes them
    away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[Gauge, tuple[str, ...]]] = Counter()

    def add(self, gauge: Gauge, labels: tuple[str, ...]) -> None:
        """One more."""
        with self._lock:
            self._counts[gauge, labels] += 1
            gauge.labels(*labels).set(1)

    def remove(self, gauge: Gauge, labels: tuple[str, ...]) -> None:
        """One less."""
        with self._lock:
            self._counts[gauge, labels] -= 1
            if not self._counts[gauge, labels]:
                del self._counts[gauge, labels]
                gauge.remove(*labels)


SHOWN = Shown()
