"""Where a stage's time goes: per chunk for the trace, over all chunks for the summary and the metrics."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from reelwire import metrics
from reelwire.media import Chunk, Frames, Packets, Payload, Sound
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.pipeline_pb2 import Quantiles

SAMPLES = 8192  # newest chunks that quantiles are taken over
REMEMBERED_PTS = 4096  # frames inside a stage whose arrival is remembered


@dataclass(slots=True)
class Arrival:
    """When a chunk came and what it had been through."""

    at_us: int
    captured_us: int
    transfer_us: int = 0
    budget_us: int = 0
    trace: tuple[pb.Span, ...] = ()
    started_us: int = 0


@dataclass(slots=True)
class Outgoing:
    """A chunk that is ready to go, with its age and trace."""

    chunk: Chunk
    arrival: Arrival
    kept: Any = None  # a place's Kept, where the pixels lie already
    ready: bool = True  # False while its pixels are still on their way there


class Samples:
    """The newest values of one duration, eight bytes each: as objects they are megabytes for each stream."""

    def __init__(self) -> None:
        self._values = array("q")
        self._count = 0

    def add(self, value_us: int) -> None:
        """One more."""
        if self._count < SAMPLES:
            self._values.append(value_us)
        else:
            self._values[self._count % SAMPLES] = value_us
        self._count += 1

    def quantiles(self) -> Quantiles:
        """p50, p95, p99; zeros where nothing was measured."""
        if not self._values:
            return Quantiles()
        p50, p95, p99 = np.percentile(np.array(self._values), (50, 95, 99))
        return Quantiles(p50_us=int(p50), p95_us=int(p95), p99_us=int(p99), count=self._count)


def pts_of(payload: Payload | None) -> tuple[int, ...]:
    """Of each frame or packet, in their order; none for all else."""
    if isinstance(payload, Frames):
        return payload.pts
    if isinstance(payload, Packets):
        return tuple(packet.pts for packet in payload.packets)
    return ()


class StageTiming:
    """One stream's times at one stage. Used from the worker thread; read when the stream has ended."""

    def __init__(self, stage: str, *, encodes: bool, source: bool) -> None:
        self._stage = stage
        self._source = source
        self._encodes = encodes
        self._inside: OrderedDict[tuple[int, int], Arrival] = OrderedDict()
        self._newest: Arrival | None = None
        self.queue, self.compute, self.hold = Samples(), Samples(), Samples()
        self.transfer, self.age = Samples(), Samples()
        self._shown_queue = metrics.STAGE_QUEUE.labels(stage)  # looked up once: each frame uses them
        self._shown_transfer = metrics.HOP_TRANSFER.labels(stage)
        self._shown_age = metrics.FRAME_AGE.labels(stage)
        self._shown_compute = metrics.STAGE_COMPUTE.labels(stage)
        self._shown_hold = metrics.STAGE_HOLD.labels(stage)

    def fed(self, chunk: Chunk, arrival: Arrival, now_us: int) -> None:
        """Work on a chunk begins."""
        arrival.started_us = now_us
        self._newest = arrival
        for pts in pts_of(chunk.payload):
            self._inside[chunk.track, pts] = arrival
        while len(self._inside) > REMEMBERED_PTS:
            self._inside.popitem(last=False)
        if isinstance(chunk.payload, Sound):
            return
        queue_us = now_us - arrival.at_us
        self.queue.add(queue_us)
        self.transfer.add(arrival.transfer_us)
        self._shown_queue.observe(queue_us / 1e6)
        self._shown_transfer.observe(arrival.transfer_us / 1e6)
        self._shown_age.observe((arrival.at_us - arrival.captured_us) / 1e6)

    def worked(self, compute_us: int) -> None:
        """One piece of work on frames was done, whether or not anything came out of it."""
        self.compute.add(compute_us)
        self._shown_compute.observe(compute_us / 1e6)

    def gave(self, chunk: Chunk, compute_us: int, now_us: int, *, behind_us: int = 0) -> Arrival:
        """A chunk comes out after ``compute_us`` of work: gives its age, budget and trace so far.
        ``behind_us``: how long after its time a source took the frame up."""
        arrival = self._arrival_of(chunk, compute_us, now_us, behind_us)
        if not chunk.frame_count:
            return arrival
        hold_us = max(0, now_us - arrival.started_us - compute_us)
        self.hold.add(hold_us)
        self.age.add(now_us - arrival.captured_us)
        self._shown_hold.observe(hold_us / 1e6)
        if self._encodes:
            metrics.GLASS_TO_GLASS.labels(self._stage).observe((now_us - arrival.captured_us) / 1e6)
        span = pb.Span(
            stage=self._stage,
            queue_us=arrival.started_us - arrival.at_us,
            compute_us=compute_us,
            hold_us=hold_us,
            transfer_us=arrival.transfer_us,
        )
        return Arrival(now_us, arrival.captured_us, 0, arrival.budget_us, (*arrival.trace, span))

    def _arrival_of(self, chunk: Chunk, compute_us: int, now_us: int, behind_us: int) -> Arrival:
        known = None
        for pts in pts_of(chunk.payload):
            known = self._inside.pop((chunk.track, pts), None) or known
        if known is None and not self._source:
            known = self._newest
        if known is None:
            # A source: the frame begins here, when it was due, or else when work on it began.
            start = now_us - compute_us
            known = Arrival(start, start - behind_us, started_us=start)
        return known
