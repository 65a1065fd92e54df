"""Pixels in shared memory: a message names the slot where they lie. Between processes that share a folder.

What is not pixels, and what finds no free slot, goes in the message.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from weakref import WeakMethod

import numpy as np

from reelwire import metrics
from reelwire.errors import BadSlot, PlaceUnavailable
from reelwire.hop.inline import Inline
from reelwire.hop.place import SHARED_MEMORY, Kept, Wire
from reelwire.hop.ring import Ring
from reelwire.hop.rings import StreamRings
from reelwire.hop.slots import SlotView, slot_behind
from reelwire.hop.timing import Outgoing
from reelwire.media import Frames, Payload, Pixels, VideoFormat
from reelwire.payloads import describe
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.pipeline_pb2 import Release
from reelwire.wire import RawChunk, encode_chunk

RELEASE_S = 0.05
Key = tuple[str, int, int]  # ring, slot, generation


class SharedMemory:
    """Fills slots of this process's own ring, and passes on those of others that came untouched."""

    name = SHARED_MEMORY

    def __init__(
        self, rings: StreamRings, inline: Inline, copier: Executor, on_fallback: Callable[[str], None]
    ) -> None:
        """``on_fallback`` is told once, from any thread, why pixels go in messages from now on."""
        self._rings = rings
        self._inline = inline
        self._copier = copier
        self._on_fallback = on_fallback
        self._readable: set[str] = set()
        self._handed: dict[Key, list[Kept]] = {}  # one for each time that it was handed over
        self._full = False
        self.seen_since: Callable[[], Iterable[str]] = (
            lambda: ()
        )  # rings that the receiver turned out to read

    def allow(self, names: Iterable[str]) -> None:
        """The receiver can read these rings."""
        self._readable.update(names)

    def keep(self, payload: Payload | None) -> Kept | None:
        """The slot that the pixels lie in already, or one that they are copied into."""
        if not isinstance(payload, Frames):
            return None
        behind = slot_behind(payload.pixels)
        if behind is not None and behind.ring in self._readable:
            return behind
        own = self._rings.own
        if own is None or own.name not in self._readable or self._full:
            self._check_pinned("no ring that the receiver can read")
            return None
        filled = self._fill(own, payload)
        if filled is None:
            metrics.SLOT_FALLBACKS.labels(self._rings.reader).inc()
        return filled

    def empty(self, shape: tuple[int, ...]) -> Pixels:
        """A slot of the ring where there is one, else any memory."""
        own, found = self._rings.own, None
        if own is not None and own.name in self._readable and not self._full:
            with suppress(OSError):  # said when something is to be kept
                found = own.empty(math.prod(shape))
        return np.empty(shape, np.uint8) if found is None else found.reshape(shape)

    def _fill(self, own: Ring, frames: Frames) -> Kept | None:
        try:
            return own.fill(frames.pixels)
        except OSError as error:
            self._full = True
            room = f"{self._rings.folder} has no room for {frames.pixels.nbytes} bytes more: {error.strerror}"
        self._check_pinned(room)
        self._on_fallback(f"{room}; pixels go in the messages (REELWIRE_SHM_DIR)")
        return None

    def _check_pinned(self, reason: str) -> None:
        if self._rings.pinned:
            raise PlaceUnavailable(f"REELWIRE_PIXELS=shared_memory: {reason}", stage=self._rings.reader)

    async def write(self, header: pb.Chunk, item: Outgoing, offered: VideoFormat | None) -> bytes:
        """A message that names the slot, or one with the payload in it."""
        if item.kept is None:
            return await self._inline.write(header, item, offered)
        describe(item.chunk, header, offered)
        self._hand_over(header, item.kept)
        return encode_chunk(header, [])

    async def pass_on(self, raw: RawChunk) -> Wire:
        """By its handle where the receiver can read that ring."""
        kept = raw.kept
        if kept is None and isinstance(raw.handed, Frames):
            loop = asyncio.get_running_loop()
            kept = await loop.run_in_executor(self._copier, self.keep, raw.handed)
        if kept is not None and kept.ring not in self._readable:
            self.allow(self.seen_since())
        if kept is None or kept.ring not in self._readable:
            return await self._inline.pass_on(raw)
        if raw.message:
            self._hold(kept)
            return raw.message
        header = pb.Chunk()
        header.CopyFrom(raw.header)
        self._hand_over(header, kept)
        return encode_chunk(header, [])

    def _hold(self, kept: Kept) -> None:
        """Until the receiver releases it, once for each time that it was handed over."""
        self._handed.setdefault((kept.ring, kept.slot, kept.generation), []).append(kept)

    def _hand_over(self, header: pb.Chunk, kept: Kept) -> None:
        self._hold(kept)
        ref = header.slot
        ref.ring, ref.slot = kept.ring, kept.slot
        ref.generation, ref.size_bytes = kept.generation, kept.size_bytes

    def release(self, release: Release) -> None:
        """One handing-over less. BadSlot: the receiver has no such slot."""
        key = (release.ring, release.slot, release.generation)
        held = self._handed.get(key)
        if not held:
            raise BadSlot(
                f"release of slot {release.slot} generation {release.generation}, which was not handed over",
                field="release",
            )
        held.pop()
        if not held:
            del self._handed[key]
        self._rings.mapped_by_all()  # who gives a slot back could read it, and so could all behind it

    def close(self) -> None:
        """All that the receiver held is free."""
        self._handed.clear()


class SlotReader:
    """The receiving end: finds the slots that messages name, and says which are read no more.

    What is done is gathered for 50 ms, or until something else is said anyway (``flush``): a sender without
    a free slot makes another.
    """

    def __init__(self, rings: StreamRings, tell: Callable[[Release], None]) -> None:
        self._rings = rings
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._done: deque[Key] = deque()
        self._armed = False
        # A view that kept this reader would keep its stream for good, wherever the stream keeps a chunk.
        self._weak_on_done = WeakMethod(self._on_done)

    def resolve(self, raw: RawChunk) -> None:
        """Makes the slot that a chunk names its payload. BadSlot: nothing that may be read lies there."""
        if raw.kept is not None or not raw.header.HasField("slot"):
            return
        ref = raw.header.slot
        ring = self._rings.mapped.get(ref.ring)
        if ring is None:
            raise BadSlot(f'a slot in ring "{ref.ring}", which is not shared on this stream', field="slot")
        raw.kept = ring.view(ref.slot, ref.generation, ref.size_bytes, self._weak_on_done)
        raw.payload = np.asarray(raw.kept, np.uint8).data

    def _on_done(self, view: SlotView) -> None:
        """Nobody looks at it any more; on any thread, in the middle of anything."""
        self._done.append((view.ring, view.slot, view.generation))
        if not self._armed:
            self._armed = True
            with suppress(RuntimeError):  # the loop is closed: so is the stream
                self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        self._loop.call_later(RELEASE_S, self._on_timer)

    def _on_timer(self) -> None:
        self._armed = False
        self.flush()

    def flush(self) -> None:
        """Says all that was gathered."""
        while self._done:
            ring, slot, generation = self._done.popleft()
            self._tell(Release(ring=ring, slot=slot, generation=generation))
