"""Files that effects may read: below one folder, links resolved."""

from __future__ import annotations

from pathlib import Path

from reelwire.errors import InputNotAllowed, InputNotFound, TooLarge


class Assets:
    """The operator's folder (``REELWIRE_ASSET_ROOT``), or none."""

    def __init__(self, root: Path | None) -> None:
        self._root = None if root is None else root.resolve()

    def find(self, name: str, field: str) -> Path:
        """The file ``name``, relative to the folder or absolute below it. ``field`` is the parameter, for
        the message.

        InputNotAllowed: there is no folder, or the file lies outside it. InputNotFound: it is not there.
        """
        if self._root is None:
            raise InputNotAllowed(
                f"{field} names a file, and this editor may read none; the operator sets REELWIRE_ASSET_ROOT",
                field=field,
            )
        try:
            path = (self._root / name).resolve()
        except (OSError, ValueError, RuntimeError):
            raise InputNotFound(f"{field} {name!r} is no name of a file", field=field) from None
        if not path.is_relative_to(self._root):
            raise InputNotAllowed(
                f"{field} {name!r} lies outside REELWIRE_ASSET_ROOT; name a file below it", field=field
            )
        if not path.is_file():
            raise InputNotFound(f"{field} {name!r} is not in REELWIRE_ASSET_ROOT", field=field)
        return path

    def read(self, name: str, field: str, max_bytes: int) -> bytes:
        """The file's bytes. Raises as ``find``, and TooLarge."""
        path = self.find(name, field)
        try:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise InputNotFound(f"{field} {name!r}: {error.strerror}", field=field) from None
        if len(data) > max_bytes:
            raise TooLarge(f"{field} {name!r} has more than {max_bytes} bytes", field=field)
        return data
