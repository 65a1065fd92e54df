"""What a caller names → an open input, if the operator allows it."""

from __future__ import annotations

import re

from reelwire.errors import BadParameter
from reelwire.settings import Settings
from services.preprocess.containers import open_bytes
from services.preprocess.feeds import open_address, open_device
from services.preprocess.opened import OpenInput
from services.preprocess.paths import open_path
from services.preprocess.testsrc import SCHEME, open_testsrc

_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
DEVICES = "/dev/"


def open_named(url: str, settings: Settings, *, live: bool) -> OpenInput:
    """Raises BadParameter, InputNotAllowed, InputNotFound, InputDamaged, Unavailable."""
    if not url:
        raise BadParameter("input.url is empty; expected a path, URL or testsrc:", field="input.url")
    if url.startswith(SCHEME):
        return open_testsrc(url, settings, live=live)
    if url.startswith(DEVICES):
        return open_device(url, settings)
    if _ANY_SCHEME.match(url):
        return open_address(url, settings)
    file = open_path(url, settings)
    try:
        return open_bytes(file, url, settings, on_close=file.close)
    except BaseException:
        file.close()
        raise
