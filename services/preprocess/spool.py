"""An upload on its way: its bytes in a file without a name, gone when it is closed or the process ends."""

from __future__ import annotations

import io
import tempfile

from reelwire.errors import ResourceExhausted, TooLarge
from reelwire.settings import Settings


class Spool:
    """Appends until it is read; bounded by REELWIRE_MAX_UPLOAD_BYTES."""

    def __init__(self, settings: Settings) -> None:
        """ResourceExhausted: the folder cannot be written to."""
        self._limit_bytes = settings.max_upload_bytes
        self._folder = settings.spool_dir
        try:
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="reelwire-")  # noqa: SIM115
        except OSError as error:
            raise ResourceExhausted(self._trouble(error), field="spool_dir") from None
        self.size_bytes = 0

    def append(self, data: bytes | memoryview) -> None:
        """TooLarge: more than is taken. ResourceExhausted: the disk is full."""
        if self.size_bytes + len(data) > self._limit_bytes:
            raise TooLarge(_too_large(self.size_bytes + len(data), self._limit_bytes), field="input")
        try:
            self._file.write(data)
        except OSError as error:
            raise ResourceExhausted(self._trouble(error), field="spool_dir") from None
        self.size_bytes += len(data)

    def reader(self) -> io.BufferedIOBase:
        """The whole upload from its start; closed with the spool."""
        try:
            self._file.flush()
        except OSError as error:
            raise ResourceExhausted(self._trouble(error), field="spool_dir") from None
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Frees the disk."""
        self._file.close()

    def _trouble(self, error: OSError) -> str:
        return f"cannot keep the upload in {self._folder} (REELWIRE_SPOOL_DIR): {error.strerror}"


def check_announced(size_bytes: int, settings: Settings) -> None:
    """TooLarge: the caller says that more will come than is taken."""
    if size_bytes > settings.max_upload_bytes:
        raise TooLarge(_too_large(size_bytes, settings.max_upload_bytes), field="size_bytes")


def _too_large(size_bytes: int, limit_bytes: int) -> str:
    return (
        f"the upload is at least {size_bytes} bytes, at most {limit_bytes}; "
        "send less, or raise REELWIRE_MAX_UPLOAD_BYTES"
    )
