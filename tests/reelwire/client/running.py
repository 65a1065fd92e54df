"""The four real services in this process, and what tests ask of the files that come out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from reelwire.client import Reelwire, connect
from reelwire.hop.checks import STAGES
from reelwire.testing import addresses_of, loopback
from reelwire.v1.config_pb2 import StreamConfig
from services.editor.__main__ import SERVICE as EDITOR
from services.encoder.__main__ import SERVICE as ENCODER
from services.generator.__main__ import SERVICE as GENERATOR
from services.preprocess.__main__ import SERVICE as PREPROCESS

SERVICES = (PREPROCESS, GENERATOR, EDITOR, ENCODER)
LIVENESS_S = 60.0


@asynccontextmanager
async def all_four(**settings: Any) -> AsyncIterator[Reelwire]:
    """A connection to preprocess, generator, editor and encoder."""
    async with loopback(SERVICES, settings) as servers, connect(addresses_of(servers)) as reelwire:
        yield reelwire


def whole_route(**fields: Any) -> StreamConfig:
    """A stream through all four."""
    return StreamConfig(route=STAGES, **fields)


def names_in(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def times_of(path: Path) -> list[Fraction]:
    """Presentation time of each picture of a file in seconds, decoded."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = Fraction(stream.time_base)
        return [frame.pts * base for frame in container.decode(stream)]


def time_base_of(path: Path) -> Fraction:
    """Seconds for each tick of a file's picture."""
    with av.open(str(path)) as container:
        return Fraction(container.streams.video[0].time_base)


def tags_of(path: Path) -> dict[str, str]:
    """The container's metadata."""
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}
