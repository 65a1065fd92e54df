"""Made once for all tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.material import write_material


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``write_material`` in a folder of its own; read only."""
    return write_material(tmp_path_factory.mktemp("material"))
