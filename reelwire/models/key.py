"""What a loaded model is known by inside a library."""

from __future__ import annotations

from dataclasses import dataclass

from reelwire.engines.select import Wanted
from reelwire.models.location import ModelLocation, Stamp


@dataclass(frozen=True, slots=True)
class Key:
    """One loaded model. ``turn`` counts the engines that this version had for what was asked for."""

    location: ModelLocation
    stamp: Stamp
    wanted: Wanted
    turn: int = 0
