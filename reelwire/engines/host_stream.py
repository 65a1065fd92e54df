"""A stream over an engine whose tensors lie in the process's memory: its state is arrays that go round."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reelwire.engines.backend import Array
from reelwire.errors import ModelUnusable


class HostStream:
    """One stream's runs. See ``EngineStream``."""

    def __init__(
        self, run: Callable[[Mapping[str, Array]], dict[str, Array]], states: Mapping[str, str]
    ) -> None:
        """``run`` as ``Engine.run``; ``states``: recurrent inputs and the outputs that go back into them."""
        self._run = run
        self._states = dict(states)
        self._state: dict[str, Array] = {}
        self._settled = False

    def step(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """As ``EngineStream``."""
        outputs = self._run({**feeds, **self._state})
        following = {given: outputs.pop(got) for given, got in self._states.items()}
        self._check(following)
        self._state = following
        return outputs

    def state(self) -> dict[str, Array]:
        """As ``EngineStream``."""
        return dict(self._state)

    def load(self, state: Mapping[str, Array]) -> None:
        """As ``EngineStream``."""
        self._state, self._settled = dict(state), False

    def close(self) -> None:
        """As ``EngineStream``."""
        self._state = {}

    def _check(self, following: Mapping[str, Array]) -> None:
        """Small states that are spread over the picture on the first run may grow once, never again: a
        state that grows with each frame would have no bound."""
        for name, array in following.items():
            if self._settled and array.shape != self._state[name].shape:
                raise ModelUnusable(
                    f'state "{name}" grew from {list(self._state[name].shape)} to {list(array.shape)}; '
                    "expected one shape for a whole stream",
                    field=name,
                )
        self._settled = True
