"""Model folders: what is in them, and each model loaded once for all streams."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reelwire.choices import choose_from
from reelwire.engines.select import Wanted
from reelwire.errors import BadParameter, ModelUnusable, UnknownModel
from reelwire.models.check import explain_location
from reelwire.models.loading import LoadedModel, load_model, read_files
from reelwire.models.location import ModelLocation, find_models

ANYTHING = Wanted()
SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One version of one model, as a listing shows it; ``problem`` is empty when it can be used."""

    name: str
    version: str
    path: Path
    task: str = ""
    description: str = ""
    license: str = ""
    sha256: str = ""
    understood: tuple[str, ...] = ()
    problem: str = ""
    scale: int = 1


class ModelLibrary:
    """Finds and loads models by name. Safe for many threads; each model is loaded once and shared.

    ``folders``: the first that has a name decides; the models that ship come last. ``threads`` of one
    inference; 0: all cores. A file that changes on disk is not loaded again: streams keep what they have,
    new versions go into new folders.
    """

    def __init__(self, folders: Sequence[Path], *, threads: int = 1) -> None:
        for folder in folders:
            if not folder.is_dir():
                raise BadParameter(f"model folder {folder} does not exist; correct REELWIRE_MODEL_PATH")
        self._folders = (*folders, SHIPPED)
        self._threads = threads
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, Wanted], threading.Lock] = {}
        self._loaded: dict[tuple[str, Wanted], LoadedModel] = {}
        self._entries: dict[ModelLocation, tuple[object, ModelEntry]] = {}

    def list(self) -> tuple[ModelEntry, ...]:
        """Every version of every model, broken ones with what is wrong; sorted by name, newest first."""
        models = find_models(self._folders)
        locations = [location for name in sorted(models) for location in reversed(models[name])]
        return tuple(self._entry(location) for location in locations)

    def open(self, name: str, wanted: Wanted = ANYTHING) -> LoadedModel:
        """The model "name" (its newest version) or "name@version", on what was asked for.

        UnknownModel: no such name or version. ModelUnusable: it is there and cannot be used; the message says
        why. BackendMissing, DeviceMissing, BadParameter: the backend.
        """
        wanted.check()
        location = self._find(name)
        key = (str(location.graph), wanted)
        with self._lock:
            own_lock = self._locks.setdefault(key, threading.Lock())
        with own_lock:  # another model's loading does not wait for this one
            if key not in self._loaded:
                self._loaded[key] = self._load(location, wanted)
            return self._loaded[key]

    def close(self) -> None:
        """Frees all models; no run may be under way or follow."""
        with self._lock:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()
            self._locks.clear()

    def _find(self, asked: str) -> ModelLocation:
        name, at, version = asked.partition("@")
        models = find_models(self._folders)
        if name not in models:
            raise UnknownModel(choose_from("model", name, models), field="model")
        if not at:
            return models[name][-1]
        for location in models[name]:
            if version == (location.version or self._version_of(location)):
                return location
        versions = [location.version or self._version_of(location) for location in models[name]]
        raise UnknownModel(choose_from(f'version of model "{name}"', version, versions), field="model")

    def _load(self, location: ModelLocation, wanted: Wanted) -> LoadedModel:
        try:
            return load_model(read_files(location), wanted, self._threads)
        except ModelUnusable as error:
            raise ModelUnusable(f'model "{location.name}": {error.message}', field="model") from None

    def _version_of(self, location: ModelLocation) -> str:
        return self._entry(location).version

    def _entry(self, location: ModelLocation) -> ModelEntry:
        """Looked at once for as long as the files stay the same; nothing stays loaded for it."""
        stamp = location.stamp
        known = self._entries.get(location)
        if known is not None and known[0] == stamp:
            return known[1]
        entry = describe(location, self._threads)
        self._entries[location] = (stamp, entry)
        return entry


def describe(location: ModelLocation, threads: int = 1) -> ModelEntry:
    """A listing's entry, from a look at the files and a probe run."""
    explained = explain_location(location, threads)
    files, spec = explained.files, explained.spec
    if files is None:
        return ModelEntry(location.name, location.version, location.graph, problem=explained.problem)
    manifest = files.manifest
    return ModelEntry(
        name=location.name,
        version=files.version,
        path=location.graph,
        task=spec.task if spec else manifest.task,
        description=manifest.description,
        license=manifest.license,
        sha256=files.facts.sha256,
        understood=tuple(explained.understood),
        problem=" ".join(f"{explained.problem} {explained.fix}".split()),
        scale=spec.scale if spec else 1,
    )
