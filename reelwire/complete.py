"""A file that is complete or not there: written under a temporary name in the same folder, then renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from reelwire.errors import BadParameter, PermissionDenied, ReelwireError, ResourceExhausted

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def write_error(target: Path, error: OSError) -> ReelwireError:
    """What went wrong with writing ``target``, in one line."""
    why = error.strerror or str(error)
    if error.errno in _FULL:
        return ResourceExhausted(f"cannot write {target}: {why}; free some space or choose another folder")
    if error.errno in _FORBIDDEN:
        return PermissionDenied(f"cannot write {target}: {why}; choose another folder", field="target")
    return BadParameter(f"cannot write {target}: {why}", field="target")


def check_target(target: Path, *, overwrite: bool) -> None:
    """What can be known before any work. BadParameter: it is there already, is no plain file, or its folder
    is missing. PermissionDenied: its folder cannot be written."""
    if target.exists() and not target.is_file():
        raise BadParameter(
            f"{target} is {'a folder' if target.is_dir() else 'no plain file'}; expected a file name",
            field="target",
        )
    if target.exists() and not overwrite:
        raise BadParameter(f"{target} exists; --force (overwrite=True) replaces it", field="target")
    folder = Path(os.path.realpath(target)).parent
    if not folder.is_dir():
        raise BadParameter(f"cannot write {target}: folder {folder} does not exist; make it", field="target")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise write_error(target, PermissionError(errno.EACCES, "no permission to write in its folder"))


class CompleteFile:
    """``part`` is what to write; afterwards exactly one of ``commit`` and ``discard``, which may be called
    again. A link is followed: what it points to is replaced."""

    def __init__(self, target: Path) -> None:
        """Makes the temporary file. Raises as ``write_error`` says."""
        self._target = target
        self._final = Path(os.path.realpath(target))
        try:
            handle, name = tempfile.mkstemp(prefix=".reelwire-", suffix=".part", dir=self._final.parent)
        except OSError as error:
            raise write_error(target, error) from None
        os.close(handle)
        self.part = Path(name)

    def commit(self) -> None:
        """The file gets its name, in one step."""
        mask = os.umask(0)
        os.umask(mask)
        try:
            self.part.chmod(0o666 & ~mask)
            self.part.replace(self._final)
        except OSError as error:
            self.discard()
            raise write_error(self._target, error) from None

    def discard(self) -> None:
        """Nothing stays."""
        self.part.unlink(missing_ok=True)


def write_complete(target: Path, data: bytes) -> None:
    """All of ``data``, or the file stays as it was. Raises as ``write_error`` says."""
    file = CompleteFile(target)
    try:
        file.part.write_bytes(data)
    except OSError as error:
        file.discard()
        raise write_error(target, error) from None
    file.commit()
