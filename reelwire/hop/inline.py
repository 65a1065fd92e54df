"""Pixels in the message itself: one copy out, none in. The place that every hop has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from reelwire.errors import BadSlot, TooLarge
from reelwire.hop.place import INLINE, Kept, Wire
from reelwire.hop.timing import Outgoing
from reelwire.media import Payload, Pixels, VideoFormat
from reelwire.payloads import describe, pieces, size_bytes
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.pipeline_pb2 import Release
from reelwire.wire import Buffer, RawChunk, encode_chunk

COPY_ON_LOOP_BYTES = 64 * 1024


class Inline:
    """Encodes; large payloads on ``copier``. ``max_payload_bytes``: the largest that is sent; 0: any."""

    name = INLINE

    def __init__(self, stage: str, copier: Executor, max_payload_bytes: int = 0) -> None:
        self._stage = stage
        self._copier = copier
        self._max_payload_bytes = max_payload_bytes

    def keep(self, payload: Payload | None) -> Kept | None:
        """None: it goes in the message."""
        del payload
        return None

    def empty(self, shape: tuple[int, ...]) -> Pixels:
        """Any memory will do."""
        return np.empty(shape, np.uint8)

    async def write(self, header: pb.Chunk, item: Outgoing, offered: VideoFormat | None) -> bytes:
        """Header and payload in one message."""
        describe(item.chunk, header, offered)
        return await self._encode(header, size_bytes(item.chunk.payload), lambda: pieces(item.chunk.payload))

    async def pass_on(self, raw: RawChunk) -> Wire:
        """The message as it came, or one made of what came without."""
        if raw.message and raw.kept is None:
            return raw.message
        header = pb.Chunk()
        header.CopyFrom(raw.header)
        header.ClearField("payload")
        if raw.handed is not None:
            return await self._encode(header, size_bytes(raw.handed), lambda: pieces(raw.handed))
        return await self._encode(header, len(raw.payload), lambda: [raw.payload])

    async def _encode(self, header: pb.Chunk, size: int, parts: Callable[[], list[Buffer]]) -> bytes:
        if 0 < self._max_payload_bytes < size:
            raise TooLarge(
                f"{self._stage} gave a chunk of {size} bytes, a message takes at most "
                f"{self._max_payload_bytes}; use smaller chunks, or raise REELWIRE_MAX_MESSAGE_BYTES",
                stage=self._stage,
            )
        if size <= COPY_ON_LOOP_BYTES:
            return encode_chunk(header, parts())
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._copier, lambda: encode_chunk(header, parts()))

    def release(self, release: Release) -> None:
        """There are no slots here."""
        raise BadSlot(f"release of slot {release.slot}; pixels are inline on this hop", field="release")

    def close(self) -> None:
        """Nothing is held."""
