"""Where the pixels of a hop lie, at the end that sends them. One interface, three files: ``in_process``,
``shared_memory``, ``inline``. Credit, acks, order and accounts are the same wherever they lie."""

from __future__ import annotations

from typing import Protocol

from reelwire.hop.timing import Outgoing
from reelwire.media import Payload, Pixels, VideoFormat
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.pipeline_pb2 import Release
from reelwire.wire import RawChunk

Wire = bytes | RawChunk
"""What a lane writes: a message, or inside a process a chunk as it is."""

IN_PROCESS, SHARED_MEMORY, INLINE = "in_process", "shared_memory", "inline"


class Kept(Protocol):
    """Pixels that already lie where the receiver reads them; they stay until it is gone."""

    ring: str
    slot: int
    generation: int
    size_bytes: int


class Place(Protocol):
    """Everything but ``keep`` runs on the event loop and copies nothing large there."""

    name: str

    def keep(self, payload: Payload | None) -> Kept | None:
        """Puts pixels where the receiver reads them; None: they go in the message. Copies: not to be called
        on the event loop; safe from any other thread. PlaceUnavailable: they must not."""

    def empty(self, shape: tuple[int, ...]) -> Pixels:
        """Memory for pixels that will be kept: what is written there need not be copied. As ``keep``."""

    async def write(self, header: pb.Chunk, item: Outgoing, offered: VideoFormat | None) -> Wire:
        """Completes the header; gives what is sent. TooLarge: no message takes it."""

    async def pass_on(self, raw: RawChunk) -> Wire:
        """A chunk that came from somewhere, untouched."""

    def release(self, release: Release) -> None:
        """The receiver reads a slot no more. BadSlot: it was not handed to it."""

    def close(self) -> None:
        """The receiver is gone, and all that it held with it."""
