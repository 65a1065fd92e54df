"""Builds the plans that better engines wait for, while streams are served without them.

A stream starts on what can run its model at once. A plan is built in a process of its own, one at a time;
when it is there, the library loads the model anew for new streams, and those that run are told. They move
only when their caller says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from reelwire.engines.backend import Candidate, EngineOptions
from reelwire.engines.registry import backend
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.builder_process import BuilderProcess
from reelwire.errors import Cancelled, ReelwireError
from reelwire.models.key import Key
from reelwire.models.library import ModelLibrary
from reelwire.models.loading import LoadedModel

log = logging.getLogger(__name__)

Tell = Callable[[str], None]


class PlanBuilding:
    """Of one library. Each plan is tried once for as long as the process lives."""

    def __init__(self, library: ModelLibrary) -> None:
        self._library = library
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="plans")
        self._lock = threading.Lock()
        self._tried: set[tuple[str, str, Key]] = set()
        self._streams: dict[object, tuple[LoadedModel, Tell]] = {}
        self._at_work: BuilderProcess | None = None
        self._closed = False
        library.on_loaded(self._look_at)

    def listen(self, model: LoadedModel, tell: Tell) -> Callable[[], None]:
        """``tell`` gets one line when a plan for this version of the model is there, on another thread. Call
        what comes back when the stream ends."""
        token = object()
        with self._lock:
            self._streams[token] = (model, tell)

        def end() -> None:
            with self._lock:
                self._streams.pop(token, None)

        return end

    def close(self) -> None:
        """Ends a builder that is at work; what it would have written is not written."""
        with self._lock:
            self._closed = True
            if self._at_work is not None:
                self._at_work.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _look_at(self, key: Key, model: LoadedModel) -> None:
        for candidate in model.awaiting:
            tried = (candidate.backend, candidate.variant.facts.sha256, key)
            with self._lock:
                if self._closed or tried in self._tried:
                    continue
                self._tried.add(tried)
                self._pool.submit(self._build, key, model, candidate)

    def _build(self, key: Key, model: LoadedModel, candidate: Candidate) -> None:
        what = f"{model.name}@{model.version} for {candidate}"
        try:
            self._run_builder(model, candidate)
            renewed = self._library.renew(key)
        except Cancelled:
            return
        except ReelwireError as error:
            log.error("no plan of %s: %s", what, error.message)
            return
        except Exception:
            log.exception("building the plan of %s failed", what)
            return
        log.info("the plan of %s is there; new streams get the best of what there is", what)
        if renewed is not None:
            self._tell(model, f"a plan of {what} is there: new streams of this model get {_words(renewed)}")

    def _run_builder(self, model: LoadedModel, candidate: Candidate) -> None:
        by = backend(candidate.backend)
        assert isinstance(by, TensorRtBackend), "only TensorRT has plans"
        order = by.plan_order(model.name, candidate, EngineOptions(profiles=model.profiles))
        with self._lock:
            if self._closed:
                raise Cancelled("the service ends")
            builder = self._at_work = BuilderProcess(order)
        try:
            builder.wait()
        finally:
            with self._lock:
                self._at_work = None

    def _tell(self, model: LoadedModel, text: str) -> None:
        with self._lock:
            listening = [
                tell
                for each, tell in self._streams.values()
                if (each.name, each.sha256) == (model.name, model.sha256)
            ]
        for tell in listening:
            tell(text)


def _words(model: LoadedModel) -> str:
    engine = model.engine
    return f"{engine.backend}, {engine.device}, {engine.precision}"
