"""A plan that runs: one implementation for TensorRT and TensorRT for RTX, which are given to it."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from reelwire.engines.backend import Array, TensorSpec
from reelwire.engines.tensorrt.cuda import Cuda
from reelwire.engines.tensorrt.libraries import Libraries
from reelwire.engines.tensorrt.loaded import LoadedPlan
from reelwire.engines.tensorrt.pool import StreamPool
from reelwire.engines.tensorrt.stream import TensorRtStream


class TensorRtEngine:
    """See ``Engine``. ``threads`` is 1: the host only waits."""

    threads = 1

    def __init__(self, libraries: Libraries, plan: LoadedPlan, *, precision: str, device: str) -> None:
        """``plan``: closed with this engine. ``precision``: the candidate's, since a plan does not say it.
        ``device``: the GPU's name."""
        self.backend = libraries.name
        self.device = device
        self.precision = precision
        self._plan = plan
        self._cuda = Cuda(libraries.cudart)
        self._lock = threading.Lock()
        self._streams: list[TensorRtStream] = []
        self._pool = StreamPool(lambda: self.stream({}))

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """See ``Engine``."""
        return self._plan.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """See ``Engine``."""
        return self._plan.outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See ``Engine``. Stalled: as ``StreamPool.borrowed``."""
        with self._pool.borrowed({name: array.shape for name, array in inputs.items()}) as stream:
            return stream.step(inputs)

    def stream(self, states: Mapping[str, str]) -> TensorRtStream:
        """See ``Engine``. ModelUnusable: they are not the graph's, or the GPU has no room."""
        made = TensorRtStream(self._plan, self._cuda, states)
        with self._lock:
            self._streams = [*(each for each in self._streams if not each.closed), made]
        return made

    def close(self) -> None:
        """See ``Engine``. Closes the streams that are left: contexts must not outlive the plan."""
        self._pool.close()
        with self._lock:
            left, self._streams = self._streams, []
        for stream in left:
            stream.close()
        self._plan.close()
