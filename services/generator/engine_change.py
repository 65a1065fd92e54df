"""A stream's move to another engine: loaded aside, taken over at the pts that the caller named."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

from reelwire.choices import choose_from
from reelwire.engines.select import BACKENDS, Wanted
from reelwire.errors import BadParameter, ModelUnusable, ReelwireError
from reelwire.v1.pipeline_pb2 import EngineChange, Notice
from services.generator.inference import FrameModel

log = logging.getLogger(__name__)

LOAD_S = 60.0
"""A frame waits at most this long for an engine that is due; the engine that runs goes on after that."""


class EngineMove:
    """At most one move is ahead; a later one takes its place. Not safe for two threads at once."""

    def __init__(
        self, make: Callable[[EngineChange], FrameModel], notice: Callable[[Notice.Kind, str], None]
    ) -> None:
        """``make`` loads the stream's own model version on the engine that a change names."""
        self._make = make
        self._notice = notice
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="engine change")
        self._ahead: tuple[int, Future[FrameModel]] | None = None

    def ask(self, from_pts: int, change: EngineChange) -> None:
        """The frames from this pts on are for that engine."""
        self._drop()
        self._ahead = from_pts, self._threads.submit(self._make, change)

    def due(self, pts: int, running: FrameModel) -> FrameModel:
        """What the frame at ``pts`` runs on; the state of ``running`` went along where it is another."""
        if self._ahead is None or pts < self._ahead[0]:
            return running
        _, coming = self._ahead
        self._ahead = None
        try:
            model = coming.result(LOAD_S)
            model.load(running.save())
        except Exception as error:  # whatever it was, the engine that runs goes on
            why = _in_words(error)
            _abandon(coming)
            self._notice(
                Notice.KIND_WARNING, f"the engine stays {running.engine_words}, the other failed: {why}"
            )
            return running
        running.close()
        self._notice(Notice.KIND_WARNING, f"from pts {pts} on the model runs on {model.engine_words}")
        return model

    def close(self) -> None:
        """Nothing is left loading."""
        self._drop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _drop(self) -> None:
        if self._ahead is None:
            return
        _, coming = self._ahead
        self._ahead = None
        _abandon(coming)


def _in_words(error: Exception) -> str:
    if isinstance(error, ReelwireError):
        return error.message
    if isinstance(error, NotInTime):
        return f"not loaded within {LOAD_S:g} s"
    log.error("an engine that a stream was to move to failed", exc_info=error)
    return "an error of ours; the service's log has it"


def _abandon(coming: Future[FrameModel]) -> None:
    """Nobody takes it: it is closed, also where it is made only after this."""
    coming.cancel()
    coming.add_done_callback(_close_made)


def _close_made(coming: Future[FrameModel]) -> None:
    if not coming.cancelled() and coming.exception() is None:
        coming.result().close()


def check_engine(change: EngineChange) -> None:
    """BadParameter: no engine is named, or none of that name. BackendMissing, DeviceMissing: it cannot run
    here."""
    if not change.backend:
        raise BadParameter(choose_from("backend", "", BACKENDS), field="engine.backend")
    Wanted(change.backend, change.precision).check()


def check_same(running_sha256: str, found_sha256: str, asked: str) -> None:
    """ModelUnusable: the files under a version's name are others now."""
    if running_sha256 != found_sha256:
        raise ModelUnusable(
            f'the files of model "{asked}" were replaced while the stream ran; start the stream again'
        )
