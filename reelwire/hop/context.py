"""What all streams of one service share."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from reelwire.hop.channels import Channels
from reelwire.settings import Settings
from reelwire.stage import StageFactory


@dataclass(frozen=True)
class ServiceContext:
    """``workers`` has a thread for each stream slot; ``copier`` copies payloads off the event loop."""

    factory: StageFactory
    settings: Settings
    channels: Channels
    workers: Executor
    copier: Executor
