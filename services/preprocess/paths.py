"""Files of this machine: only below REELWIRE_INPUT_ROOT, after links are resolved."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from reelwire.errors import InputDamaged, InputNotAllowed, InputNotFound
from reelwire.settings import Settings


def open_path(path: str, settings: Settings) -> io.BufferedReader:
    """A regular file below the root. A relative path counts from the root.

    What is outside is refused before anything is said about whether it exists. The file that was opened is
    looked at again, so that a link that is changed in between opens nothing.
    InputNotAllowed: outside, or no root is set. InputNotFound: no such file. InputDamaged: no regular file.
    """
    root = settings.input_root
    if root is None:
        raise InputNotAllowed(
            f"{path!r}: this service opens no paths; set REELWIRE_INPUT_ROOT there, or upload the file",
            field="input.url",
        )
    if "\0" in path:
        raise InputNotFound(f"{path!r}: no such file", field="input.url")
    top = root.resolve()
    target = (top / path).resolve()
    _check_below(target, top, path)
    try:
        number = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise InputNotFound(f"{path!r}: {error.strerror}", field="input.url") from None
    try:
        _check_below(_real_path(number, target), top, path)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise InputDamaged(f"{path!r} is no regular file", field="input.url")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def _check_below(target: Path, top: Path, path: str) -> None:
    if not target.is_relative_to(top):
        raise InputNotAllowed(
            f"{path!r} is outside of REELWIRE_INPUT_ROOT; name a file below it, or upload the file",
            field="input.url",
        )


def _real_path(number: int, fallback: Path) -> Path:
    """Where the open file really lies, where the kernel tells."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{number}"))
    except OSError:
        return fallback
