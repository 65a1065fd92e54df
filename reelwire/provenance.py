"""The mark that says: made or changed by AI, with these models."""

from __future__ import annotations

from collections.abc import Iterable

from reelwire import __version__
from reelwire.v1.config_pb2 import PinnedModel

KEY = "comment"  # the one tag that MP4, Matroska, WebM and MPEG-TS readers all show


def provenance(models: Iterable[PinnedModel]) -> dict[str, str]:
    """Container metadata; empty where no model ran."""
    names = [f"{model.name} {model.version} ({model.stage}, sha256 {model.sha256[:16]})" for model in models]
    if not names:
        return {}
    return {KEY: f"Made or changed by AI with reelwire {__version__}, models: {'; '.join(names)}"}
