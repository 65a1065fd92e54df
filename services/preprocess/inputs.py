"""What a caller names → an open input, if the operator allows it."""

from __future__ import annotations

from reelwire.errors import InputNotAllowed
from reelwire.settings import Settings
from services.preprocess.opened import OpenInput
from services.preprocess.testsrc import SCHEME, open_testsrc


def open_named(url: str, settings: Settings, *, live: bool) -> OpenInput:
    """Raises BadParameter, InputNotAllowed, InputNotFound, InputDamaged, Unavailable."""
    if url.startswith(SCHEME):
        return open_testsrc(url, settings, live=live)
    raise InputNotAllowed(f"{url!r} is not allowed", field="input.url")
