"""The models that one stream uses, given back together when it ends."""

from __future__ import annotations

from reelwire.engines.select import Wanted
from reelwire.models.library import ModelLibrary
from reelwire.models.loading import LoadedModel


class Leases:
    """Opens models for one stream. Not safe for two threads at once."""

    def __init__(self, library: ModelLibrary) -> None:
        self._library = library
        self._models: list[LoadedModel] = []

    def open(self, name: str, wanted: Wanted) -> LoadedModel:
        """As ``ModelLibrary.open``."""
        model = self._library.open(name, wanted)
        self._models.append(model)
        return model

    def close(self) -> None:
        """Gives all back. May be called twice."""
        while self._models:
            self._library.release(self._models.pop())
