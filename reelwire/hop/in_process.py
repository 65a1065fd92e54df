"""Both ends in one process: chunks are handed over as they are, no byte is written or copied."""

from __future__ import annotations

import numpy as np

from reelwire.errors import BadSlot
from reelwire.hop.place import IN_PROCESS, Kept
from reelwire.hop.timing import Outgoing
from reelwire.media import Payload, Pixels, VideoFormat
from reelwire.payloads import cost, describe
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.pipeline_pb2 import Release
from reelwire.wire import RawChunk

NO_BYTES = memoryview(b"")


class InProcess:
    """Gives objects to a relay of the same process."""

    name = IN_PROCESS

    def keep(self, payload: Payload | None) -> Kept | None:
        """None: nothing needs to lie anywhere else."""
        del payload
        return None

    def empty(self, shape: tuple[int, ...]) -> Pixels:
        """Any memory will do."""
        return np.empty(shape, np.uint8)

    async def write(self, header: pb.Chunk, item: Outgoing, offered: VideoFormat | None) -> RawChunk:
        """Header and payload as they are."""
        describe(item.chunk, header, offered)
        return RawChunk(b"", header, NO_BYTES, item.chunk.payload, worth=cost(item.chunk))

    async def pass_on(self, raw: RawChunk) -> RawChunk:
        """The same."""
        return raw

    def release(self, release: Release) -> None:
        """There are no slots here."""
        raise BadSlot(f"release of slot {release.slot}; pixels are in this process", field="release")

    def close(self) -> None:
        """Nothing is held."""
