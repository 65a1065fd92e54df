"""What a caller names as input: a file of its own to upload, or something that preprocess opens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from reelwire.client.stream import Stream
from reelwire.media import Chunk, ContainerBytes, ContainerFormat, Offer, PayloadKind
from reelwire.v1.config_pb2 import Input, Upload

UPLOAD_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """``input`` and ``offers`` go into the stream's config; ``path`` is the file to upload, if any."""

    input: Input
    offers: tuple[Offer, ...] = ()
    path: Path | None = None

    async def upload(self, stream: Stream) -> None:
        """Sends the file's bytes under credit, and their end; nothing where there is no file."""
        if self.path is None:
            return
        with self.path.open("rb") as file:
            while data := await asyncio.to_thread(file.read, UPLOAD_PIECE_BYTES):
                await stream.send(Chunk(0, ContainerBytes(data)))
        await stream.end()


def find_source(name: str | Path) -> Source:
    """A file that exists here is uploaded; anything else is for preprocess to open, if it may."""
    path = Path(name)
    if not path.is_file():
        return Source(Input(url=str(name)))
    upload = Upload(name=path.name, size_bytes=path.stat().st_size)
    return Source(Input(upload=upload), (Offer(0, PayloadKind.CONTAINER_BYTES, ContainerFormat()),), path)
