"""Where what comes back is written: packets into a container, or the bytes of one as they come."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from reelwire.complete import CompleteFile, write_error
from reelwire.errors import BadParameter
from reelwire.media import Chunk, ContainerBytes, Offer, PayloadKind
from reelwire.mux import Muxer
from reelwire.provenance import provenance
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig

PIPE_PIECE_BYTES = select.PIPE_BUF  # a pipe that polls as writable takes this much without blocking
PIPE_POLL_MS = 200


class Sink(Protocol):
    """Takes chunks, then ``complete`` and ``commit``, or at any time ``abort``."""

    def write(self, chunk: Chunk) -> None:
        """The next chunk, of any track."""

    def complete(self) -> None:
        """All is there: whatever is left is written, the target has not got its name yet."""

    def commit(self) -> None:
        """The target gets its name."""

    def interrupt(self) -> None:
        """Lets a write go that waits for a reader; from any thread."""

    def abort(self) -> None:
        """The target is left as it was."""


class ByteSink:
    """A container's bytes into a file."""

    def __init__(self, target: Path) -> None:
        """Raises as ``reelwire.complete`` says."""
        self._target = target
        self._complete = CompleteFile(target)
        self._file = self._complete.part.open("wb")

    def write(self, chunk: Chunk) -> None:
        """The next bytes."""
        if isinstance(chunk.payload, ContainerBytes):
            try:
                self._file.write(chunk.payload.data)
            except OSError as error:
                raise write_error(self._target, error) from None

    def complete(self) -> None:
        """The last bytes."""
        try:
            self._file.close()
        except OSError as error:
            raise write_error(self._target, error) from None

    def commit(self) -> None:
        """The file gets its name."""
        self._complete.commit()

    def interrupt(self) -> None:
        """A file never waits for a reader."""

    def abort(self) -> None:
        """The file goes."""
        self._complete.discard()
        try:
            self._file.close()
        except OSError:
            return  # what could not be written is gone with the file


class PipeSink:
    """A container's bytes onto standard output, and nothing else. BrokenPipeError: its reader is gone."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._number = sys.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._number, select.POLLOUT)
        self._stopped = threading.Event()

    def write(self, chunk: Chunk) -> None:
        """The next bytes; waits for the reader."""
        if not isinstance(chunk.payload, ContainerBytes):
            return
        left = memoryview(chunk.payload.data)
        while left and not self._stopped.is_set():
            if not self._poll.poll(PIPE_POLL_MS):
                continue
            try:
                left = left[os.write(self._number, left[:PIPE_PIECE_BYTES]) :]
            except BrokenPipeError:
                raise
            except OSError as error:
                raise write_error(Path("standard output"), error) from None

    def complete(self) -> None:
        """Every byte is out already."""

    def commit(self) -> None:
        """A pipe has no name."""

    def interrupt(self) -> None:
        """A reader that does not read is waited for no longer."""
        self._stopped.set()

    def abort(self) -> None:
        """What is written is written."""


class MuxerSink(Muxer):
    """Packets into a file."""

    def interrupt(self) -> None:
        """A file never waits for a reader."""


def open_sink(
    target: Path | None, returns: Sequence[Offer], models: Sequence[PinnedModel], config: StreamConfig
) -> Sink:
    """The sink that fits what comes back; ``target`` None: standard output. BadParameter: it cannot be
    written there."""
    kinds = {offer.kind for offer in returns}
    if kinds == {PayloadKind.CONTAINER_BYTES}:
        return PipeSink() if target is None else ByteSink(target)
    if kinds == {PayloadKind.PACKETS} and target is not None:
        metadata = {} if config.encoder.omit_provenance else provenance(models)
        return MuxerSink(target, returns, metadata=metadata)
    names = ", ".join(sorted(kind.name for kind in kinds)) or "nothing"
    raise BadParameter(f"{names} comes back, which cannot be written to {target or 'a pipe'}")
