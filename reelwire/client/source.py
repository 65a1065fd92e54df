"""What a caller names as input: a file of its own to upload, a prompt, or something that preprocess opens."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from reelwire.client.stream import Stream
from reelwire.errors import InputNotFound, PermissionDenied
from reelwire.media import Chunk, ContainerBytes, ContainerFormat, Offer, PayloadKind
from reelwire.v1.config_pb2 import Input, Upload

UPLOAD_PIECE_BYTES = 1 << 20
PIPE_POLL_MS = 200
READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a named pipe opens before its writer does
STDIN = "-"
TEXT_PREFIX = "text:"
UPLOADED = (Offer(0, PayloadKind.CONTAINER_BYTES, ContainerFormat()),)


@dataclass(frozen=True)
class Source:
    """``input`` and ``offers`` go into the stream's config; ``path`` is the file to upload, if any, "-" for
    standard input."""

    input: Input
    offers: tuple[Offer, ...] = ()
    path: Path | None = None

    async def pieces(self, piece_bytes: int = UPLOAD_PIECE_BYTES) -> AsyncGenerator[bytes]:
        """The bytes to upload, at most so many at a time. InputNotFound, PermissionDenied: they cannot be
        read."""
        if self.path is None:
            return
        stopped = threading.Event()
        try:
            number = os.dup(sys.stdin.fileno()) if str(self.path) == STDIN else os.open(self.path, READ_FLAGS)
            try:
                while data := await asyncio.to_thread(_next_piece, number, stopped, piece_bytes):
                    yield data
            finally:
                stopped.set()
                await asyncio.to_thread(os.close, number)
        except PermissionError as error:
            raise PermissionDenied(f"cannot read {self.path}: {error.strerror}", field="input") from None
        except OSError as error:
            raise InputNotFound(f"cannot read {self.path}: {error.strerror}", field="input") from None

    async def upload(self, stream: Stream) -> None:
        """Sends the file's bytes under credit, and their end; nothing where there is no file. What goes wrong
        here ends the stream: whoever receives gets it."""
        if self.path is None:
            return
        try:
            async with aclosing(self.pieces()) as pieces:
                async for data in pieces:
                    await stream.send(Chunk(0, ContainerBytes(data)))
            await stream.end()
        except Exception as error:
            stream.abandon(error)


def _next_piece(number: int, stopped: threading.Event, piece_bytes: int) -> bytes:
    """Waits for a pipe's writer, but not once the stream is over: then nothing."""
    poll = select.poll()
    poll.register(number, select.POLLIN)
    while not stopped.is_set():
        if poll.poll(PIPE_POLL_MS):
            return os.read(number, piece_bytes)
    return b""


def find_source(name: str | Path) -> Source:
    """A file or pipe that exists here is uploaded, "-" is standard input, ``text:…`` a prompt; anything else
    is for preprocess to open, if it may."""
    text, path = str(name), Path(name)
    if text.startswith(TEXT_PREFIX) and isinstance(name, str):
        return Source(Input(text=text.removeprefix(TEXT_PREFIX)))
    if text == STDIN or path.is_fifo():
        return Source(Input(upload=Upload(name=path.name if text != STDIN else "")), UPLOADED, path)
    if not path.is_file():
        return Source(Input(url=text))
    return Source(Input(upload=Upload(name=path.name, size_bytes=path.stat().st_size)), UPLOADED, path)
