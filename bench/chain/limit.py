"""The limit: the same four stages as calls of one thread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.chain.stages import chain_stages
from bench.chain.window import Returned, sample
from bench.load import Load, Meter, Work
from bench.table import Sample
from reelwire.media import Chunk, Frames, Packets
from reelwire.memory import keep_freed_buffers


class Limit:
    """One process, one thread, no queue."""

    def run(self, work: Work, kind: str) -> Sample:
        """One window."""
        stages, load, meter = chain_stages(kind), Load(work, [os.getpid()]), Meter()
        returned = Returned(work, meter)
        for sent_ns, pixels in load.frames():
            chunk = Chunk(0, Frames(work.video, (sent_ns,), pixels[None]))
            for stage in stages:
                (chunk,) = stage.feed(chunk)
            assert isinstance(chunk.payload, Packets)
            (packet,) = chunk.payload.packets
            returned.came(sent_ns, time.monotonic_ns(), packet.data)
        return sample(load, meter)


@contextmanager
def running() -> Iterator[Limit]:
    """Nothing to start."""
    keep_freed_buffers()
    yield Limit()
