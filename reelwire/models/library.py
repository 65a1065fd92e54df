"""Model folders: what is in them, and each model loaded once for all streams.

The newest version of a name is what new streams get. A version that appears later is loaded and checked
beside it first (``refresh``); one that fails is refused and the older one goes on. A version that nothing
uses and that is no longer offered is freed.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from reelwire import metrics
from reelwire.choices import choose_from
from reelwire.engines.registry import REFERENCE
from reelwire.engines.select import Wanted
from reelwire.errors import BadParameter, ModelUnusable, ReelwireError, UnknownModel
from reelwire.models.batch_decision import UNBATCHED, BatchOptions
from reelwire.models.entry import Entries, ModelEntry
from reelwire.models.key import Key
from reelwire.models.loading import LoadedModel, load_model, read_files
from reelwire.models.location import ModelLocation, Stamp, find_models

log = logging.getLogger(__name__)
DEFAULT = Wanted(REFERENCE)
"""Where nobody says: the same on every machine. Services say what their settings say."""
SHIPPED = Path(__file__).parent / "shipped"


Found = Mapping[str, Sequence[ModelLocation]]


class ModelLibrary:
    """Finds and loads models by name. Safe for many threads; each model is loaded once and shared.

    ``folders``: the first that has a name decides; the models that ship come last. ``threads`` of one
    inference; 0: all cores. ``batch``: whether runs of different streams may be one inference. ``default``:
    what a model runs on where a stream does not say; a version that cannot is refused.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        threads: int = 1,
        batch: BatchOptions = UNBATCHED,
        default: Wanted = DEFAULT,
    ) -> None:
        for folder in folders:
            if not folder.is_dir():
                raise BadParameter(f"model folder {folder} does not exist; correct REELWIRE_MODEL_PATH")
        self._folders = (*folders, SHIPPED)
        self._threads = threads
        self._batch = batch
        self._default = default
        self._entries = Entries(threads)
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._locks: dict[Key, threading.Lock] = {}
        self._loaded: dict[Key, LoadedModel] = {}
        self._users: Counter[Key] = Counter()
        self._offered: dict[str, ModelLocation] = {}
        self._stamps: dict[ModelLocation, Stamp] = {}  # what was read, while the file may have changed
        self._seen: dict[str, tuple[ModelLocation, Stamp]] = {}
        self._refused: set[tuple[ModelLocation, Stamp]] = set()
        self._turns: dict[Key, int] = {}  # of the key of turn 0: the one that new streams get
        self._on_loaded: Callable[[Key, LoadedModel], None] = lambda key, model: None

    def list(self) -> tuple[ModelEntry, ...]:
        """Every version of every model, broken ones with what is wrong; sorted by name, newest first."""
        models = find_models(self._folders)
        locations = [location for name in sorted(models) for location in reversed(models[name])]
        return tuple(self._entries.of(location) for location in locations)

    def open(self, name: str, wanted: Wanted | None = None) -> LoadedModel:
        """The model "name" (the version that is offered) or "name@version", on what was asked for. It stays
        loaded until it is given back with ``release``.

        UnknownModel: no such name or version. ModelUnusable: it is there and cannot be used; the message says
        why. BackendMissing, DeviceMissing, BadParameter: the backend.
        """
        wanted = wanted or self._default
        wanted.check()
        name, at, version = name.partition("@")
        models = find_models(self._folders)
        if name not in models:
            raise UnknownModel(choose_from("model", name, models), field="model")
        if at:
            return self._take(self._version(name, version, models), wanted)
        with self._lock:
            offered = self._offered.get(name)
        return self._take(offered, wanted) if offered else self._first(models[name], wanted)

    def release(self, model: LoadedModel) -> None:
        """A stream is done with it. It is freed where nothing uses it and it is not what is offered."""
        with self._lock:
            key = self._key_of(model)
            if key is not None:
                self._users[key] -= 1
        self._free_unused()

    def on_loaded(self, call: Callable[[Key, LoadedModel], None]) -> None:
        """``call`` is told of each model when it was first loaded, on the thread that loaded it."""
        self._on_loaded = call

    def renew(self, key: Key) -> LoadedModel | None:
        """Loads what ``on_loaded`` told of anew, since a better engine can run it now. New streams get it;
        running ones keep theirs. None: it is no longer loaded. Raises as ``open``."""
        with self._lock:
            turn = self._turns.get(key, key.turn)
            if replace(key, turn=turn) not in self._loaded:
                return None
        following = replace(key, turn=turn + 1)
        made = self._load(following)
        with self._lock:
            self._loaded[following] = made
            self._turns[key] = following.turn
        self._free_unused()
        return made

    def refresh(self) -> None:
        """Looks for newer versions of what is loaded. One that lay still since the last look is loaded as
        its predecessor is, checked, and offered to new streams; running ones keep theirs."""
        with self._refreshing:
            models = find_models(self._folders)
            with self._lock:
                offered = dict(self._offered)
            for name, location in offered.items():
                self._follow(name, location, models.get(name, ()))
        self._free_unused()

    def close(self) -> None:
        """Frees all models; no run may be under way or follow."""
        with self._lock:
            for model in self._loaded.values():
                model.close()
            self._loaded.clear()
            self._locks.clear()
            self._users.clear()
            self._offered.clear()

    def _first(self, locations: Sequence[ModelLocation], wanted: Wanted) -> LoadedModel:
        """Of a name that nothing was loaded of yet: the newest version that can be used."""
        problem: ModelUnusable | None = None
        for location in reversed(locations):
            try:
                model = self._take(location, wanted)
            except ModelUnusable as error:
                if wanted != self._default and self._runs_otherwise(location):
                    raise  # it lacks what this stream asks for, others are served by it
                problem = problem or error
                if len(locations) > 1:
                    self._refuse(location, location.stamp, error, "an older version is looked for")
                continue
            with self._lock:
                self._offered.setdefault(location.name, location)
            return model
        assert problem is not None
        raise problem

    def _runs_otherwise(self, location: ModelLocation) -> bool:
        """It can be used by who asks for nothing of their own: then it is what is offered."""
        try:
            model = self._take(location, self._default)
        except ReelwireError:
            return False
        with self._lock:
            self._offered.setdefault(location.name, location)
        self.release(model)
        return True

    def _take(self, location: ModelLocation, wanted: Wanted) -> LoadedModel:
        with self._lock:
            stamp = self._stamps.setdefault(location, location.stamp)
        return self._hold(Key(location, stamp, wanted))

    def _hold(self, first: Key) -> LoadedModel:
        """One more user of what new streams get of this key of turn 0, which is loaded once."""
        with self._lock:
            key = replace(first, turn=self._turns.get(first, 0))
            own_lock = self._locks.setdefault(key, threading.Lock())
            self._users[key] += 1  # from here on it is not freed, nor its lock
        with own_lock:  # another model's loading does not wait for this one
            with self._lock:
                model = self._loaded.get(key)
            if model is None:
                model = self._load_counted(key)
        return model

    def _load_counted(self, key: Key) -> LoadedModel:
        try:
            model = self._load(key)
        except BaseException:
            with self._lock:
                self._users[key] -= 1
                if not any(loaded.location == key.location for loaded in self._loaded):
                    self._stamps.pop(key.location, None)  # the file may be repaired
            raise
        with self._lock:
            self._loaded[key] = model
        if not key.turn:
            self._on_loaded(key, model)
        return model

    def _load(self, key: Key) -> LoadedModel:
        try:
            return load_model(read_files(key.location), key.wanted, self._threads, self._batch)
        except ModelUnusable as error:
            raise type(error)(f'model "{key.location.name}": {error.message}', field="model") from None

    def _version(self, name: str, version: str, models: Found) -> ModelLocation:
        versions = {location.version or self._entries.of(location).version: location
                    for location in models[name]}  # fmt: skip
        if version not in versions:
            raise UnknownModel(choose_from(f'version of model "{name}"', version, versions), field="model")
        return versions[version]

    def _follow(self, name: str, offered: ModelLocation, locations: Sequence[ModelLocation]) -> None:
        """Offers the newest version that can be used and was not refused."""
        for location in reversed(locations):
            stamp = location.stamp
            if (location, stamp) == (offered, self._stamps.get(offered)):
                return
            if (location, stamp) in self._refused:
                continue
            if self._seen.get(name) != (location, stamp):  # it may still be being copied
                self._seen[name] = (location, stamp)
                return
            if self._offer(name, offered, (location, stamp)):
                return

    def _offer(self, name: str, old: ModelLocation, new: tuple[ModelLocation, Stamp]) -> bool:
        location, stamp = new
        with self._lock:
            now = (old, self._stamps.get(old))
            ways = {key.wanted for key in self._loaded if (key.location, key.stamp) == now}
        versions: set[str] = set()
        with ExitStack() as held:
            for wanted in sorted(ways, key=lambda way: (way != self._default, repr(way))):
                try:  # a stream may have named this version before
                    model = self._hold(Key(location, stamp, wanted))
                except ReelwireError as error:
                    if not versions:  # what one stream named besides must not keep it from all others
                        self._refuse(location, stamp, error, "what was offered goes on")
                        return False
                    log.warning("%s cannot run as %s: %s", location.graph, wanted, error.message)
                    continue
                held.callback(self.release, model)
                versions.add(model.version)
            with self._lock:
                self._stamps[location] = stamp
                self._offered[name] = location
        metrics.MODEL_VERSIONS.labels(name, "offered").inc()
        log.info(
            "model %s@%s is what new streams get from now on; running ones keep theirs",
            name,
            ", ".join(sorted(versions)),
        )
        return True

    def _refuse(self, location: ModelLocation, stamp: Stamp, error: ReelwireError, then: str) -> None:
        with self._lock:
            if (location, stamp) in self._refused:
                return
            self._refused.add((location, stamp))
        metrics.MODEL_VERSIONS.labels(location.name, "refused").inc()
        log.error("%s is refused, %s: %s", location.graph, then, error.message)

    def _key_of(self, model: LoadedModel) -> Key | None:
        """With the lock held."""
        return next((key for key, loaded in self._loaded.items() if loaded is model), None)

    def _free_unused(self) -> None:
        with self._lock:
            current = {(place, self._stamps.get(place)) for place in self._offered.values()}
            gone = [
                key
                for key in self._loaded
                if self._users[key] <= 0
                and (
                    (key.location, key.stamp) not in current
                    or key.turn != self._turns.get(replace(key, turn=0), 0)
                )
            ]
            models = [self._loaded.pop(key) for key in gone]
            for key in gone:
                self._users.pop(key, None)
                self._locks.pop(key, None)
        for model in models:
            model.close()
            log.info("model %s@%s is freed: nothing uses it and it is not offered", model.name, model.version)
