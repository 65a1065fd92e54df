"""An engine around another one: all as the inner one, for classes that change a part of it."""

from __future__ import annotations

from collections.abc import Mapping

from reelwire.engines.backend import Array, Engine, EngineStream, TensorSpec


class WrappedEngine:
    """Gives everything on to ``inner``."""

    def __init__(self, inner: Engine) -> None:
        self.inner = inner

    @property
    def backend(self) -> str:
        """As ``Engine``."""
        return self.inner.backend

    @property
    def device(self) -> str:
        """As ``Engine``."""
        return self.inner.device

    @property
    def precision(self) -> str:
        """As ``Engine``."""
        return self.inner.precision

    @property
    def threads(self) -> int:
        """As ``Engine``."""
        return self.inner.threads

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """As ``Engine``."""
        return self.inner.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """As ``Engine``."""
        return self.inner.outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """As ``Engine``."""
        return self.inner.run(inputs)

    def stream(self, states: Mapping[str, str]) -> EngineStream:
        """As ``Engine``."""
        return self.inner.stream(states)

    def close(self) -> None:
        """As ``Engine``."""
        self.inner.close()
