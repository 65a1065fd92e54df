"""The models of one service process: a library, its new versions, and the plans that it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from reelwire.engines.select import Wanted
from reelwire.models.batch_decision import BatchOptions
from reelwire.models.library import ModelLibrary
from reelwire.models.loading import LoadedModel
from reelwire.models.plan_building import PlanBuilding
from reelwire.models.watcher import Watcher
from reelwire.settings import Settings


class ServedModels:
    """Made from the service's settings."""

    def __init__(self, settings: Settings) -> None:
        """BadParameter: a model folder is missing."""
        folders = [Path(part) for part in settings.model_path.split(":") if part]
        self.library = ModelLibrary(
            folders,
            threads=settings.engine_threads,
            batch=BatchOptions.of(settings),
            default=Wanted(settings.backend, settings.precision),
        )
        self._building = PlanBuilding(self.library)
        self._watcher = Watcher(self.library, settings.model_poll_s)

    def leases(self, tell: Callable[[str], None]) -> Leases:
        """For one stream; ``tell`` gets a line when a better engine is there for what it uses."""
        return Leases(self.library, self._building, tell)

    def close(self) -> None:
        """Frees all models; no stream may run or follow."""
        self._watcher.close()
        self._building.close()
        self.library.close()


class Leases:
    """The models that one stream uses: each given back when the stream is done with it, all at its end."""

    def __init__(self, library: ModelLibrary, building: PlanBuilding, tell: Callable[[str], None]) -> None:
        self._library = library
        self._building = building
        self._tell = tell
        self._lock = threading.Lock()
        self._held: list[tuple[LoadedModel, Callable[[], None]]] = []

    def open(self, name: str, wanted: Wanted) -> LoadedModel:
        """As ``ModelLibrary.open``."""
        model = self._library.open(name, wanted)
        with self._lock:
            self._held.append((model, self._building.listen(model, self._tell)))
        return model

    def release(self, model: LoadedModel) -> None:
        """The stream is done with it. Nothing where it was given back before."""
        with self._lock:
            place = next((i for i, (held, _) in enumerate(self._held) if held is model), None)
            found = None if place is None else self._held.pop(place)
        if found is not None:
            found[1]()
            self._library.release(model)

    def close(self) -> None:
        """Gives all back. May be called twice."""
        with self._lock:
            held, self._held = self._held, []
        for model, end in held:
            end()
            self._library.release(model)
