"""A stage whose work on a frame takes a fixed time, as a service: ``python -m bench.overload.busy STAGE MS``.

It computes, as a model does: the processor is busy and other threads of the process may run. Settings come
from the environment, as for every service.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

import numpy as np

from reelwire.media import Chunk
from reelwire.server import Service, main
from reelwire.stage import Opened, Opening
from reelwire.testing import IdentityFactory, IdentityStage

CELLS = 32_768  # some microseconds for each pass, in the cache; NumPy lets other threads run meanwhile
FACTOR = np.float32(0.999)


class BusyStage(IdentityStage):
    """Gives each frame as it came, after ``work_s`` of arithmetic."""

    def __init__(self, work_s: float) -> None:
        self._work_s = work_s
        self._cells = np.ones(CELLS, np.float32)

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """The same chunk, later."""
        until_s = time.perf_counter() + self._work_s * chunk.frame_count
        while time.perf_counter() < until_s:
            np.maximum(np.multiply(self._cells, FACTOR, out=self._cells), FACTOR, out=self._cells)
        return super().feed(chunk)


class BusyFactory(IdentityFactory):
    """Any stage's name over it."""

    def __init__(self, name: str, work_s: float) -> None:
        super().__init__(name)
        self._work_s = work_s

    def open(self, opening: Opening) -> Opened:
        """Takes what is offered."""
        return Opened(BusyStage(self._work_s), opening.negotiate(opening.offers))


if __name__ == "__main__":
    stage, milliseconds = sys.argv[1], float(sys.argv[2])
    sys.exit(main(Service(lambda settings: BusyFactory(stage, milliseconds / 1000))))
