"""What all streams of one service share."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from reelwire.hop.calls import Carry
from reelwire.hop.channels import Channels
from reelwire.hop.rings import PixelPolicy
from reelwire.hop.sweeper import Sweeper
from reelwire.settings import Settings
from reelwire.stage import StageFactory


@dataclass(frozen=True)
class ServiceContext:
    """``workers`` has a thread for each stream slot; ``copier`` copies payloads off the event loop.
    ``neighbours``: the services of this process by stage."""

    factory: StageFactory
    settings: Settings
    channels: Channels
    workers: Executor
    copier: Executor
    pixels: PixelPolicy
    sweeper: Sweeper
    neighbours: Mapping[str, Carry]
