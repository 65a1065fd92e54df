"""What a ring is on disk: a header of one page, then the slots' pixels. Both ends read and write it by this.

| bytes       | what                                                                                |
|-------------|-------------------------------------------------------------------------------------|
| 0 to 15     | magic                                                                               |
| 16 to 31    | token: random, also in the config, so that a name that came back is another ring    |
| 64 to 575   | 16 readers: the nonce that each wrote (16 bytes), and its echo (16 bytes)           |
| 1024 to end | 128 slots: offset, capacity, generation (unsigned 64 bits each, little-endian)      |

The file is sparse and as long as it may ever get; slots are allocated in it for real, one after the other.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import secrets
import struct
from pathlib import Path
from typing import NamedTuple

HEADER_BYTES = 4096
MAX_SLOTS = 128
MAX_READERS = 16
NONCE_BYTES = 16
NAME = re.compile(r"reelwire-[0-9a-f]{32}\.ring")
PATTERN = "reelwire-*.ring"

_MAGIC = b"reelwire ring 1\n"
_TOKEN_AT, _READERS_AT, _SLOTS_AT = 16, 64, 1024
_ENTRY = struct.Struct("<QQQ")
_NO_NONCE = bytes(NONCE_BYTES)  # stands where nobody wrote: whoever says it has seen nothing
_NO_DATA = mmap.mmap(-1, HEADER_BYTES)


class Entry(NamedTuple):
    """A slot as the header has it: where it lies, how much it takes, how often it was filled."""

    offset: int
    capacity: int
    generation: int


class RingFile:
    """An open ring. ``data``: all of it, mapped; writable by its owner only."""

    def __init__(self, number: int, *, writable: bool) -> None:
        """Takes over the file descriptor. OSError: it cannot be mapped."""
        self._number = number
        try:
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            self.data = mmap.mmap(number, 0, mmap.MAP_SHARED, protection)
        except (OSError, ValueError) as error:
            os.close(number)
            raise OSError(f"cannot be mapped: {error}") from None

    def close(self) -> None:
        """Lets go of the file; memory, lock and all are gone with the last view of it that is in use."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1
            self.data = _NO_DATA

    @property
    def token(self) -> bytes:
        """What the config must say as well."""
        return self.data[_TOKEN_AT : _TOKEN_AT + NONCE_BYTES]

    def nonce(self, reader: int) -> bytes:
        """What a reader wrote, as this mapping shows it."""
        at = _READERS_AT + 2 * NONCE_BYTES * reader
        return self.data[at : at + NONCE_BYTES]

    def write_nonce(self, reader: int) -> bytes:
        """Writes a fresh one through the file; gives it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        os.pwrite(self._number, nonce, _READERS_AT + 2 * NONCE_BYTES * reader)
        return nonce

    def echo(self, reader: int) -> bytes:
        """The nonce, once somebody who shares the memory has found it."""
        at = _READERS_AT + 2 * NONCE_BYTES * reader + NONCE_BYTES
        return self.data[at : at + NONCE_BYTES]

    def confirm(self, reader: int, nonce: bytes) -> bool:
        """True where the reader shares this memory: its nonce stands here. Then it is echoed."""
        if not 0 <= reader < MAX_READERS or nonce in (b"", _NO_NONCE) or self.nonce(reader) != nonce:
            return False
        os.pwrite(self._number, nonce, _READERS_AT + 2 * NONCE_BYTES * reader + NONCE_BYTES)
        return True

    def entry(self, slot: int) -> tuple[int, int, int]:
        """A slot's place, as ``Entry``; ``slot`` is 0 to 127."""
        return _ENTRY.unpack_from(self.data, _SLOTS_AT + _ENTRY.size * slot)

    def set_entry(self, slot: int, entry: Entry) -> None:
        """Only the owner does this."""
        _ENTRY.pack_into(self.data, _SLOTS_AT + _ENTRY.size * slot, *entry)

    def allocate(self, offset: int, size_bytes: int) -> None:
        """Takes the memory from the system now, not when it is first written. OSError: there is none."""
        os.posix_fallocate(self._number, offset, size_bytes)


def create(folder: Path, size_bytes: int) -> tuple[RingFile, str]:
    """A new ring, locked by this process, and its name. OSError: the folder is not there or full."""
    while True:
        name = f"reelwire-{secrets.token_hex(16)}.ring"
        path = folder / name
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            if not _is_at(number, path):  # swept away before it was locked
                os.close(number)
                continue
            os.posix_fallocate(number, 0, HEADER_BYTES)
            os.truncate(number, HEADER_BYTES + size_bytes)
            os.pwrite(number, _MAGIC + secrets.token_bytes(NONCE_BYTES), 0)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(number)
            raise
        return RingFile(number, writable=True), name


def attach(folder: Path, name: str, token: bytes) -> RingFile:
    """Another process's ring, to read. OSError: it is not here, or it is not that one, or nobody owns it."""
    if not NAME.fullmatch(name):
        raise OSError(f"{name!r} is no ring's name")
    number = os.open(folder / name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not is_locked(number):
        os.close(number)
        raise OSError(f"{name} has no owner on this machine")
    if os.fstat(number).st_size < HEADER_BYTES:
        os.close(number)
        raise OSError(f"{name} is too short for a ring")
    file = RingFile(number, writable=False)
    if file.data[: len(_MAGIC)] != _MAGIC or file.token != token:
        file.close()
        raise OSError(f"{name} is not the ring that was offered")
    return file


def is_locked(number: int) -> bool:
    """True while the ring's owner lives, on this machine: a copy of its file is not locked."""
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(number, fcntl.LOCK_UN)
    return False


def sweep(folder: Path) -> int:
    """Removes rings whose owners are gone; gives how many. What cannot be looked at stays."""
    removed = 0
    for path in folder.glob(PATTERN) if folder.is_dir() else ():
        try:
            number = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(number, path):
                path.unlink(missing_ok=True)
                removed += 1
        except OSError:
            pass  # somebody owns it
        finally:
            os.close(number)
    return removed


def _is_at(number: int, path: Path) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(found, os.fstat(number))
