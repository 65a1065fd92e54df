"""Where what comes back is written: packets into a container, or the bytes of one as they come."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from reelwire.errors import BadParameter
from reelwire.media import Chunk, ContainerBytes, Offer, PayloadKind
from reelwire.mux import Muxer
from reelwire.provenance import provenance
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig


class Sink(Protocol):
    """Takes chunks; afterwards exactly one of finish and abort."""

    def write(self, chunk: Chunk) -> None:
        """The next chunk, of any track."""

    def finish(self) -> None:
        """All is there: the target gets its name."""

    def abort(self) -> None:
        """The target is left as it was."""


class ByteSink:
    """A container's bytes into a file, which gets its name at the end, or onto standard output."""

    def __init__(self, target: Path | None) -> None:
        self._target = target
        self._part: Path | None = None
        self._file: BinaryIO = sys.stdout.buffer
        if target is not None:
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
            self._part, self._file = Path(name), os.fdopen(handle, "wb")

    def write(self, chunk: Chunk) -> None:
        """The next bytes."""
        if isinstance(chunk.payload, ContainerBytes):
            self._file.write(chunk.payload.data)
            if self._target is None:
                self._file.flush()

    def finish(self) -> None:
        """The file gets its name."""
        if self._part is None or self._target is None:
            return
        self._file.close()
        self._part.chmod(0o666 & ~_umask())
        self._part.replace(self._target)

    def abort(self) -> None:
        """The file goes."""
        if self._part is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def open_sink(
    target: Path | None, returns: Sequence[Offer], models: Sequence[PinnedModel], config: StreamConfig
) -> Sink:
    """The sink that fits what comes back. BadParameter: it cannot be written to ``target``."""
    kinds = {offer.kind for offer in returns}
    if kinds == {PayloadKind.CONTAINER_BYTES}:
        return ByteSink(target)
    if kinds == {PayloadKind.PACKETS} and target is not None:
        metadata = {} if config.encoder.omit_provenance else provenance(models)
        return Muxer(target, returns, metadata=metadata)
    names = ", ".join(sorted(kind.name for kind in kinds)) or "nothing"
    raise BadParameter(f"{names} comes back, which cannot be written to {target or 'a pipe'}")
