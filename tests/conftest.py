"""Pins what ``tests/pinned.py`` says, before anything reads it."""

from __future__ import annotations

import os
import tempfile

from tests.pinned import CACHE, ENGINE

_cache = tempfile.TemporaryDirectory(prefix="reelwire-test-cache-")
os.environ.update(ENGINE)
os.environ[CACHE] = _cache.name
