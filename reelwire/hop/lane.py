"""The sending half of one end of a hop: small messages at once, chunks under credit.

What waits is bounded: one chunk beyond credit for each track and for each producer that is held back in
``put``. Everything here runs on the event loop, but the copying of a payload.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from reelwire.errors import Stalled
from reelwire.hop.clock import now_us
from reelwire.hop.flow import SendWindow
from reelwire.hop.timing import Arrival
from reelwire.media import Chunk, Dropped, DropReason, Frames, VideoFormat
from reelwire.payloads import cost, dropped_to_proto, write_payload
from reelwire.v1 import media_pb2 as pb
from reelwire.wire import RawChunk, encode_chunk

PENDING_CHUNKS = 2  # ready and not yet under credit, for each track
ENCODE_ON_LOOP_BYTES = 64 * 1024


@dataclass(slots=True)
class Outgoing:
    """A chunk that is ready to go, with its age and trace."""

    chunk: Chunk
    arrival: Arrival


@dataclass(frozen=True)
class LanePolicy:
    """How a lane behaves. ``droppable``: LIVE at the source: ``put`` never waits, the oldest goes."""

    stage: str
    stall_timeout_s: float
    droppable: bool = False


class Lane:
    """Numbers chunks, waits for credit, writes. One writer task: ``run()``."""

    def __init__(
        self, write: Callable[[bytes], Awaitable[None]], policy: LanePolicy, copier: Executor
    ) -> None:
        self._write = write
        self._policy = policy
        self._copier = copier
        self._control: deque[bytes] = deque()
        self._pending: dict[int, deque[Outgoing | RawChunk]] = {}
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._seq: dict[int, int] = {}
        self._sent_at: dict[tuple[int, int], int] = {}
        self._error: BaseException | None = None
        self._writing = False
        self._gone = False
        self.window = SendWindow()
        self.formats: dict[int, VideoFormat] = {}
        self.on_sent: Callable[[Chunk], None] = lambda chunk: None
        self.on_drop: Callable[[Dropped], None] = lambda dropped: None
        self.half_rtt_us = 0

    def send(self, message: bytes) -> None:
        """A small message: goes before any chunk that waits."""
        self._control.append(message)
        self._wake.set()

    def grant(self, track: int, total: int) -> None:
        """Credit arrived."""
        self.window.grant(track, total)
        self._wake.set()

    def measure_round_trip(self, track: int, seq: int, held_us: int) -> None:
        """A Credit told which chunk it answers: the smallest round trip counts."""
        sent = self._sent_at.get((track, seq))
        if sent is not None:
            half = max(0, now_us() - sent - held_us) // 2
            self.half_rtt_us = min(self.half_rtt_us, half) if self.half_rtt_us else half
            for key in [key for key in self._sent_at if key[0] == track and key[1] <= seq]:
                del self._sent_at[key]

    def last_seq(self, track: int) -> int:
        """The newest seq given to a chunk of this track, or waiting to get one; -1: none."""
        return self._seq.get(track, 0) + len(self._pending.get(track, ())) - 1

    @property
    def waiting_frames(self) -> int:
        """Frames that are ready and wait for credit."""
        return sum(
            item.chunk.frame_count
            for items in self._pending.values()
            for item in items
            if isinstance(item, Outgoing)
        )

    async def put(self, item: Outgoing | RawChunk) -> None:
        """Queues a chunk; waits while too many wait already. Stalled: nothing moved for too long."""
        track = item.header.track if isinstance(item, RawChunk) else item.chunk.track
        queue = self._pending.setdefault(track, deque())
        if self._policy.droppable and isinstance(item, Outgoing) and isinstance(item.chunk.payload, Frames):
            self._drop_oldest(queue, item)
        else:
            await self._wait_for_room(queue)
        queue.append(item)
        self._wake.set()

    async def _wait_for_room(self, queue: deque[Outgoing | RawChunk]) -> None:
        while len(queue) >= PENDING_CHUNKS and self._error is None:
            await self._progress()
        if self._error is not None:
            raise self._error

    async def _progress(self) -> None:
        """Until something was written, or the lane failed."""
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), self._policy.stall_timeout_s)
        except TimeoutError:
            raise Stalled(
                f"the receiver took nothing for {self._policy.stall_timeout_s:g} s "
                "(REELWIRE_STALL_TIMEOUT_S)",
                stage=self._policy.stage,
            ) from None

    def _drop_oldest(self, queue: deque[Outgoing | RawChunk], item: Outgoing) -> None:
        if self._error is not None:
            raise self._error
        lost: tuple[Dropped, ...] = ()
        while len(queue) >= PENDING_CHUNKS:
            old = queue.popleft()
            assert isinstance(old, Outgoing)
            frames = old.chunk.payload
            lost += old.chunk.dropped
            if isinstance(frames, Frames):
                dropped = Dropped(
                    len(frames), DropReason.OVERLOAD, frames.pts[0], frames.pts[-1], self._policy.stage
                )
                self.on_drop(dropped)
                lost += (dropped,)
        if lost:
            heir = queue[0] if queue else item
            assert isinstance(heir, Outgoing)
            heir.chunk = replace(heir.chunk, dropped=lost + heir.chunk.dropped)

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
        return self._writing or bool(self._control) or any(self._pending.values())

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
                while (data := await self._next()) is not None:
                    await self._write(data)
                    self._room.set()
                self._writing = False
                self._room.set()
        finally:
            self._gone, self._writing = True, False
            self._room.set()

    async def _next(self) -> bytes | None:
        if self._control:
            return self._control.popleft()
        for track, queue in self._pending.items():
            if queue and self.window.is_open(track):
                return await self._number(track, queue.popleft())
        return None

    async def _number(self, track: int, item: Outgoing | RawChunk) -> bytes:
        seq = self._seq.get(track, 0)
        self._seq[track] = seq + 1
        if isinstance(item, RawChunk):
            self.window.take(track, item.cost)
            return item.message
        self.window.take(track, cost(item.chunk))
        header = self._header(item, seq)
        payload = write_payload(item.chunk, header, self.formats.get(track))
        self._sent_at[track, seq] = header.sent_us
        self.on_sent(item.chunk)
        if sum(len(part) for part in payload) <= ENCODE_ON_LOOP_BYTES:
            return encode_chunk(header, payload)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._copier, encode_chunk, header, payload)

    def _header(self, item: Outgoing, seq: int) -> pb.Chunk:
        now = now_us()
        return pb.Chunk(
            track=item.chunk.track,
            seq=seq,
            age_us=max(0, now - item.arrival.captured_us),
            budget_us=item.arrival.budget_us,
            sent_us=now,
            link_us=self.half_rtt_us,
            trace=item.arrival.trace,
            keyframes=item.chunk.keyframes,
            dropped=[dropped_to_proto(dropped, self._policy.stage) for dropped in item.chunk.dropped],
        )
