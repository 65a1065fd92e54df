"""Where what was built or measured on this machine is kept, and how it is written: whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from reelwire.errors import BadParameter
from reelwire.settings import read_settings

OWN_MODE = 0o700
"""Plans are executable content: nobody else may put one here."""


def default_cache_folder() -> Path:
    """``REELWIRE_CACHE_DIR``, else ``$XDG_CACHE_HOME/reelwire``, else ``~/.cache/reelwire``, as the XDG base
    directory specification has it (a relative path there does not count). It may not exist yet."""
    chosen = read_settings().cache_dir
    if chosen is not None:
        return chosen
    users = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (users if users.is_absolute() else Path.home() / ".cache") / "reelwire"


def own_folder(folder: Path) -> Path:
    """Makes it where it is missing. BadParameter: it cannot be made, or somebody else could write into it."""
    try:
        for missing in [*(each for each in reversed(folder.parents) if not each.exists()), folder]:
            missing.mkdir(mode=OWN_MODE, exist_ok=True)  # with parents=True, those get the usual mode
        found = folder.lstat()
    except OSError as error:
        raise _refused(folder, f"cannot be used: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise _refused(folder, "is no folder but a link or a file")
    if found.st_uid != os.geteuid():
        raise _refused(folder, f"belongs to user {found.st_uid}, expected {os.geteuid()}")
    if found.st_mode & 0o077:
        raise _refused(folder, f"has mode {stat.S_IMODE(found.st_mode):o}, expected {OWN_MODE:o} (chmod 700)")
    return folder


def write_whole(path: Path, data: bytes) -> None:
    """Written aside, on the disk, then renamed: who reads ``path`` sees all of it or what was there before,
    also after a crash. The aside file starts with a dot and ``path``'s name."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The new name itself, on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(folder: Path, problem: str) -> BadParameter:
    return BadParameter(
        f"cache folder {folder} {problem}; plans are loaded only from a folder of one's own: "
        "set REELWIRE_CACHE_DIR to another",
        field="REELWIRE_CACHE_DIR",
    )
