"""A folder for rings that no other test sees, and that must be empty in the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelwire.settings import SHARED_FOLDER


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In shared memory where there is any."""
    if not SHARED_FOLDER.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="reelwire-test-", dir=SHARED_FOLDER) as name:
        yield Path(name)
        assert sorted(each.name for each in Path(name).iterdir()) == [], "left in shared memory"
