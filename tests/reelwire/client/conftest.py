"""A clip to work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwire.testing import write_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 small pictures at 25 fps with a tone, H.264 and AAC in MP4."""
    return write_clip(tmp_path_factory.mktemp("clips") / "in.mp4")
