"""One stream's stage on its worker thread: takes chunks out of the queue, works, gives chunks away.

Knows nothing of gRPC or asyncio: what it needs of the outside is a ``Host``, whose calls may come from any
thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Lock
from typing import Protocol

from prometheus_client import Counter

from reelwire import metrics
from reelwire.hop.clock import now_us
from reelwire.hop.ledger import Ledger, Order, merged
from reelwire.hop.timing import Arrival, StageTiming
from reelwire.hop.tracks import picture_in, picture_track
from reelwire.media import Chunk, Dropped, DropReason, Frames, Offer
from reelwire.parts import parts_of
from reelwire.payloads import read_chunk
from reelwire.stage import Opened, Opening, Stage, StageFactory
from reelwire.v1.config_pb2 import PinnedModel
from reelwire.v1.pipeline_pb2 import Control, End
from reelwire.wire import RawChunk


class Abandoned(Exception):
    """The stream is over; the worker leaves at the next chance."""


@dataclass(slots=True)
class Queued:
    """A chunk in the queue."""

    raw: RawChunk
    arrival: Arrival


QUICK_US = 5000
ABANDON = object()
Item = Queued | Control | End | object


class Host(Protocol):
    """What the runtime does for a worker; every call is safe from the worker's thread."""

    def opened(self, opened: Opened) -> None:
        """The stage is open: credit can be granted."""

    def taken(self, queued: Queued) -> None:
        """A chunk left the queue."""

    def worked(self, queued: Queued) -> None:
        """All that the stage gives for a chunk was emitted."""

    def rests(self) -> None:
        """No chunk follows at once: what was said of those before may not wait any more."""

    def emit(self, chunk: Chunk, arrival: Arrival) -> None:
        """Passes a chunk on; blocks while too many wait. Raises when the stream is over."""


class StageWorker:
    """Runs one stage from open to close."""

    def __init__(self, factory: StageFactory, opening: Opening, host: Host) -> None:
        self._factory = factory
        self._opening = replace(opening, negotiate=self._negotiate)
        self._agree = opening.negotiate
        self._host = host
        self._name = factory.name
        self._inputs: dict[int, Offer] = {}
        self._order = Order()
        self._passing: dict[int, tuple[Dropped, ...]] = {}  # by track, drops to be told to the next stage
        self._outputs: tuple[Offer, ...] = ()
        self._picture_in = picture_in(opening.offers)
        self._shown: dict[str, Counter] = {}  # by outcome, looked up once: each frame uses them
        self._lock = Lock()  # the event loop counts what a LIVE source drops
        self.inbox: SimpleQueue[Item] = SimpleQueue()
        self.ledger = Ledger()
        self.timing = StageTiming(factory.name, encodes=factory.name == "encoder", source=self.is_source)
        self.max_chunk_bytes = 0
        self.is_quick, self._feeding = False, False  # its newest piece of work was short; it is in one

    @property
    def in_quick_feed(self) -> bool:
        """True where ``worked`` is about to be said of the chunk that is worked on."""
        return self.is_quick and self._feeding

    @property
    def is_source(self) -> bool:
        """As the function."""
        return self._picture_in is None

    def run(self) -> None:
        """Until all tracks have ended and all is flushed, or the stream is over."""
        opened = self._factory.open(self._opening)
        try:
            self._inputs = {offer.track: offer for offer in opened.inputs}
            self._host.opened(opened)
            self._work_through(opened.stage)
            self._drive(opened.stage, opened.stage.flush(), frames=True)
            self._pass_on_drops()
        finally:
            try:
                self._count_source(opened.stage)
            finally:
                opened.stage.close()

    def forget(self) -> None:
        """Lets go of chunks that nobody will work on: they are large, and the stream's parts know each other,
        so that their memory would wait for the garbage collector."""
        while not self.inbox.empty():
            self.inbox.get_nowait()

    def _work_through(self, stage: Stage) -> None:
        running = set(self._inputs)
        while running:
            item = self.inbox.get()
            if isinstance(item, Queued):
                self._work(stage, item)
                continue
            self._host.rests()
            match item:
                case Control():
                    stage.control(item)
                case End():
                    running.discard(item.track)
                case _:
                    raise Abandoned

    def _work(self, stage: Stage, queued: Queued) -> None:
        self._host.taken(queued)
        chunk = read_chunk(queued.raw, self._inputs[queued.raw.header.track])
        self._order.check_pts(chunk)
        now = now_us()
        frames = isinstance(chunk.payload, Frames)
        self.timing.fed(chunk, queued.arrival, now)
        if chunk.track == self._picture_in:
            self._count("in", chunk.frame_count)
            self.ledger.in_frames += chunk.frame_count
        for dropped in chunk.dropped:
            stage.gap(dropped)
            self._pass(chunk.track, dropped)
        if chunk.dropped:
            chunk = replace(chunk, dropped=())  # what others dropped is passed on here, not by the stage
        budget = queued.arrival.budget_us
        if frames and budget and now - queued.arrival.captured_us > budget:
            self._bury(stage, chunk)
        elif chunk.payload is not None:
            self._feeding = not self.is_source  # a source gives much, for as long as it likes
            self._drive(stage, stage.feed(chunk), frames=frames or self.is_source)
            self._feeding = False
        if self._passing and chunk.payload is None:
            self._pass_on_drops()
        self._host.worked(queued)

    def _bury(self, stage: Stage, chunk: Chunk) -> None:
        frames = chunk.payload
        assert isinstance(frames, Frames)
        metrics.DEADLINE_MISSED.labels(self._name).inc()
        late = Dropped(len(frames), DropReason.LATE, frames.pts[0], frames.pts[-1], self._name)
        self.lose(late)
        stage.gap(late)
        self._pass(chunk.track, late)
        self._pass_on_drops()

    def _drive(self, stage: Stage, chunks: Iterable[Chunk], *, frames: bool) -> None:
        """Pulls all that the stage has; the time between two is work."""
        iterator, gave, source = iter(chunks), False, self.is_source
        while True:
            start = now_us() - (_idle_us(stage) if source else 0)
            chunk = next(iterator, None)
            compute_us = max(0, now_us() - (_idle_us(stage) if source else 0) - start)
            self.is_quick = compute_us < QUICK_US
            if frames and (chunk is not None or not gave):
                self.timing.worked(compute_us)
            if chunk is None:
                return
            gave = True
            self._emit(stage, chunk, compute_us)

    def _emit(self, stage: Stage, chunk: Chunk, compute_us: int) -> None:
        self._count_source(stage)
        self.ledger.made_frames += chunk.made_frames
        self._count("made", chunk.made_frames)
        for dropped in chunk.dropped:
            self.lose(dropped)
        if self._passing:
            for track in [each for each in self._passing if self._out_track(each) == chunk.track]:
                chunk = replace(chunk, dropped=self._passing.pop(track) + chunk.dropped)
        arrival = self.timing.gave(chunk, compute_us, now_us(), behind_us=_behind_us(stage))
        if self.is_source and self._opening.live and not arrival.budget_us:
            arrival.budget_us = (self._opening.config.latency_budget_ms or 500) * 1000
        for part in self._fit(chunk):
            self._host.emit(part, arrival)

    def _fit(self, chunk: Chunk) -> Iterable[Chunk]:
        """Cut so that no message is over the limit."""
        return parts_of(chunk, self.max_chunk_bytes) if self.max_chunk_bytes else (chunk,)

    def _negotiate(self, offers: Sequence[Offer], models: Sequence[PinnedModel] = ()) -> tuple[Offer, ...]:
        self._outputs = self._agree(offers, models)
        return self._outputs

    def _out_track(self, track: int) -> int:
        """Where it is told what was dropped on ``track``: there, or with the pictures where the stage gives
        no such track."""
        tracks = [offer.track for offer in self._outputs]
        if track in tracks or not tracks:
            return track
        picture = picture_track(self._outputs)
        return tracks[0] if picture is None else picture

    def _pass(self, track: int, dropped: Dropped) -> None:
        self._passing[track] = merged((*self._passing.get(track, ()), dropped))

    def _pass_on_drops(self) -> None:
        """Nothing is told before the stage has agreed with the next one."""
        while self._passing and self._outputs:
            track, passing = self._passing.popitem()
            self._host.emit(Chunk(self._out_track(track), None, passing), Arrival(now_us(), now_us()))

    def lose(self, dropped: Dropped) -> None:
        """This stage lost frames. Safe from any thread."""
        with self._lock:
            self.ledger.drop(dropped)
        metrics.FRAMES_DROPPED.labels(self._name, dropped.reason.name.lower()).inc(dropped.count)
        self._count("failed" if dropped.reason.failed else "dropped", dropped.count)

    def sent(self, frames: int) -> None:
        """Frames left the stage for good."""
        self.ledger.out_frames += frames
        self._count("out", frames)

    def _count_source(self, stage: Stage) -> None:
        """A stage that brings frames in itself says how many."""
        if not self.is_source:
            return
        seen = int(getattr(stage, "source_frames", self.ledger.in_frames))
        damaged = int(getattr(stage, "damaged_frames", self.ledger.damaged_frames))
        self._count("in", seen - self.ledger.in_frames)
        metrics.FRAMES_DAMAGED.labels(self._name).inc(damaged - self.ledger.damaged_frames)
        self.ledger.in_frames, self.ledger.damaged_frames = seen, damaged

    def _count(self, outcome: str, frames: int) -> None:
        if frames:
            if outcome not in self._shown:
                self._shown[outcome] = metrics.FRAMES.labels(self._name, outcome)
            self._shown[outcome].inc(frames)


def _idle_us(stage: Stage) -> int:
    """A source that waits for its input is not at work, and its frames do not get older by it."""
    return int(getattr(stage, "idle_us", 0))


def _behind_us(stage: Stage) -> int:
    """For how long a source's newest frame had been due when it was taken up: it is older by that."""
    return int(getattr(stage, "behind_us", 0))
