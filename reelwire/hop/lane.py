"""The sending half of one end of a hop: small messages at once, chunks under credit.

What waits is bounded: one chunk beyond credit for each track and for each producer that is held back in
``put``. Everything here runs on the event loop, but the copying of a payload.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from reelwire.errors import Stalled
from reelwire.hop.clock import now_us
from reelwire.hop.filler import Filler
from reelwire.hop.flow import SendWindow
from reelwire.hop.overload import drop_oldest, may_drop
from reelwire.hop.place import Place, Wire
from reelwire.hop.round_trips import RoundTrips
from reelwire.hop.stall import Stall
from reelwire.hop.timing import Outgoing
from reelwire.media import Chunk, Dropped, Frames, VideoFormat
from reelwire.payloads import cost, dropped_to_proto
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.pipeline_pb2 import Credit
from reelwire.wire import BATCH_MESSAGES, BATCHED_BYTES, RawChunk, pack

PENDING_CHUNKS = 2  # ready and not yet under credit, for each track, where nothing else is said
MAX_SMALL_MESSAGES = 4096  # credits, acks, notices and controls that wait for a reader


@dataclass(frozen=True)
class LanePolicy:
    """How a lane behaves. ``droppable``: LIVE at the source: ``put`` never waits, the oldest goes."""

    stage: str
    stall_timeout_s: float
    droppable: bool = False


class Lane:
    """Numbers chunks, waits for credit, writes. One writer task: ``run()``."""

    def __init__(self, write: Callable[[Wire], Awaitable[None]], policy: LanePolicy, place: Place) -> None:
        """``place``: where pixels lie; another may be set before the first chunk."""
        self._write = write
        self._policy = policy
        self._control: deque[bytes] = deque()
        self._pending: dict[int, deque[Outgoing | RawChunk]] = {}
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._seq: dict[int, int] = {}
        self._round_trips = RoundTrips()
        self._moved_us = now_us()
        self._error: BaseException | None = None
        self._writing = False
        self._gone = False
        self.place = place
        self.takes_batches = False  # the other end does
        self.pending_chunks = PENDING_CHUNKS
        self.filler: Filler | None = None  # for an end whose chunks are not in their place when they are put
        self._stall = Stall(policy.stall_timeout_s, self._room)
        self.window = SendWindow()
        self.formats: dict[int, VideoFormat] = {}
        self.on_sent: Callable[[Chunk], None] = lambda chunk: None
        self.on_drop: Callable[[Dropped], None] = lambda dropped: None
        self.on_stuck: Callable[[Stalled], None] = self.fail

    def send(self, message: bytes) -> None:
        """A small message: goes before any chunk that waits. Where thousands wait the receiver reads none:
        the message is forgotten and ``on_stuck`` told."""
        if len(self._control) >= MAX_SMALL_MESSAGES:
            self.on_stuck(
                Stalled(
                    f"{MAX_SMALL_MESSAGES} messages wait and the receiver reads none; read what comes back",
                    stage=self._policy.stage,
                )
            )
            return
        self._control.append(message)
        self._wake.set()

    def restart(self, messages: Iterable[bytes]) -> None:
        """The other end is a new one: it hears these first, and has granted nothing yet."""
        self._control, self.window = deque(messages), SendWindow()
        self._wake.set()

    @property
    def is_gone(self) -> bool:
        """True when the other end is gone, or nothing was ever written."""
        return self._gone

    @property
    def has_begun(self) -> bool:
        """True when a chunk has gone."""
        return bool(self._seq)

    def grant(self, credit: Credit) -> None:
        """Credit arrived."""
        self.window.grant(credit.track, credit.total)
        self._round_trips.answered(credit.track, credit.taken_seq, credit.held_us, now_us())
        self._wake.set()

    def last_seq(self, track: int) -> int:
        """The newest seq given to a chunk of this track, or waiting to get one; -1: none."""
        return self._seq.get(track, 0) + len(self._pending.get(track, ())) - 1

    def offer(self, item: Outgoing) -> bool:
        """Queues a chunk where there is room for it now. Safe from the thread of the one who alone puts on
        this track; ``wake`` is to be called on the event loop after it."""
        queue = self._pending.setdefault(item.chunk.track, deque())
        if self._policy.droppable or len(queue) >= self.pending_chunks or self._error is not None:
            return False
        if not queue:
            self._moved_us = now_us()
        queue.append(item)
        return True

    def wake(self) -> None:
        """There may be something to write."""
        self._wake.set()

    async def put(self, item: Outgoing | RawChunk) -> None:
        """Queues a chunk; waits while too many wait already. Stalled: nothing moved for too long."""
        track = item.header.track if isinstance(item, RawChunk) else item.chunk.track
        queue = self._pending.setdefault(track, deque())
        if not queue:
            self._moved_us = now_us()  # before, nothing waited to be taken
        if self._policy.droppable and isinstance(item, Outgoing) and may_drop(item.chunk):
            self._make_room(item)
            await asyncio.sleep(0)  # who never waits for its frames must let them be written all the same
        else:
            await self._wait_for_room(queue)
        queue.append(item)
        if self.filler is not None and isinstance(item, Outgoing) and isinstance(item.chunk.payload, Frames):
            self.filler.add(item, self.place)
        else:
            self._wake.set()

    async def _wait_for_room(self, queue: deque[Outgoing | RawChunk]) -> None:
        while len(queue) >= self.pending_chunks and self._error is None:
            await self._progress()
        if self._error is not None:
            raise self._error

    async def _progress(self) -> None:
        """Until something was written, or the lane failed."""
        self._room.clear()
        self._stall.waiting()
        await self._room.wait()
        if self._stall.is_over:
            raise self._stalled()

    def _stalled(self) -> Stalled:
        return Stalled(
            f"the receiver took nothing for {self._policy.stall_timeout_s:g} s (REELWIRE_STALL_TIMEOUT_S)",
            stage=self._policy.stage,
        )

    def _make_room(self, item: Outgoing) -> None:
        """Stalled: the receiver took nothing for so long that it can be no overload."""
        if self._error is not None:
            raise self._error
        queue = self._pending[item.chunk.track]
        if len(queue) < self.pending_chunks:
            return
        if now_us() - self._moved_us > self._policy.stall_timeout_s * 1e6:
            raise self._stalled()
        for lost in drop_oldest(queue, item, self.pending_chunks - 1, self._policy.stage):
            self.on_drop(lost)

    async def finish(self) -> None:
        """Waits until all that was put is written. Stalled: nothing moved for too long."""
        self._wake.set()
        while self._busy and self._error is None:
            await self._progress()
        if self._error is not None:
            raise self._error

    async def drained(self) -> None:
        """Waits until all small messages are written, after an error too."""
        while (self._control or self._writing) and not self._gone:
            self._wake.set()
            self._room.clear()
            await self._room.wait()

    @property
    def _busy(self) -> bool:
        return self._writing or bool(self._control) or any(tuple(self._pending.values()))

    def fail(self, error: BaseException) -> None:
        """Nothing more will be sent: whoever waits gets the error."""
        self._error = self._error or error
        self._room.set()
        self._wake.set()

    def let_go(self, error: BaseException) -> None:
        """The stream is over: chunks that wait are forgotten, small messages still go."""
        self._pending.clear()
        self.fail(error)

    async def run(self) -> None:
        """Writes until cancelled, or until the other end is gone."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._writing, self._gone = True, False
                while ready := await self._gather():
                    for wire in ready:
                        await self._write(wire)
                    self._room.set()
                self._writing = False
                self._room.set()
        finally:
            self._stall.stop()
            self._gone, self._writing = True, False
            self._room.set()

    async def _gather(self) -> Sequence[Wire]:
        """What can be written now: one message, or several small ones put together for who reads that."""
        first = await self._next()
        if first is None:
            return ()
        if not self.takes_batches or not isinstance(first, bytes):
            return (first,)
        gathered, size_bytes = [first], len(first)
        while size_bytes < BATCHED_BYTES and len(gathered) < BATCH_MESSAGES:
            wire = await self._next()
            if wire is None:
                break
            assert isinstance(wire, bytes)
            gathered.append(wire)
            size_bytes += len(wire)
        return tuple(pack(gathered))

    async def _next(self) -> Wire | None:
        if self._control:
            return self._control.popleft()
        for track, queue in tuple(self._pending.items()):
            if queue and self.window.is_open(track) and _is_ready(queue[0]):
                return await self._number(track, queue.popleft())
        return None

    async def _number(self, track: int, item: Outgoing | RawChunk) -> Wire:
        seq = self._seq.get(track, 0)
        self._seq[track] = seq + 1
        self._moved_us = now_us()
        if isinstance(item, RawChunk):
            self.window.take(track, item.cost)
            return await self.place.pass_on(item)
        self.window.take(track, cost(item.chunk))
        header = self._header(item, seq)
        wire = await self.place.write(header, item, self._format_of(item.chunk))
        self._round_trips.sent(track, seq, header.sent_us)
        self.on_sent(item.chunk)
        return wire

    def _format_of(self, chunk: Chunk) -> VideoFormat | None:
        """What was agreed; the very object of the frames where they are equal, so that the next ones, which
        have the same, need not be compared."""
        agreed, frames = self.formats.get(chunk.track), chunk.payload
        if isinstance(frames, Frames) and frames.format is not agreed and frames.format == agreed:
            agreed = self.formats[chunk.track] = frames.format
        return agreed

    def _header(self, item: Outgoing, seq: int) -> pb.Chunk:
        now, chunk, arrival = now_us(), item.chunk, item.arrival
        header = pb.Chunk(
            track=chunk.track,
            seq=seq,
            age_us=max(0, now - arrival.captured_us),
            budget_us=arrival.budget_us,
            sent_us=now,
            link_us=self._round_trips.half_us,
        )
        if arrival.trace:
            header.trace.extend(arrival.trace)
        if chunk.keyframes:
            header.keyframes.extend(chunk.keyframes)
        if chunk.dropped:
            header.dropped.extend(dropped_to_proto(each, self._policy.stage) for each in chunk.dropped)
        return header


def _is_ready(item: Outgoing | RawChunk) -> bool:
    return isinstance(item, RawChunk) or item.ready
