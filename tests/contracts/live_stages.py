"""Stages that are held up when a test wants it, and remember what they were told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from reelwire.hop.checks import STAGES
from reelwire.media import Chunk, Dropped, Frames
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, StageFactory
from reelwire.testing import IdentityFactory, IdentityStage
from services.encoder.stage import EncoderFactory
from services.preprocess.stage import PreprocessFactory

LIVENESS_S = 60.0
Work = Callable[[], None]


def takes(seconds: float) -> Work:
    """Work of a fixed time, in which the thread does nothing else."""

    def work() -> None:
        threading.Event().wait(seconds)

    return work


class Gate:
    """Work that goes on only when the test lets it."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def __call__(self) -> None:
        assert self._open.wait(LIVENESS_S), "the gate was never opened"

    def open(self) -> None:
        self._open.set()


class Watched(IdentityStage):
    """Works on each chunk, and remembers what it was told and when."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.fed: list[int] = []
        self.fed_at_s: list[float] = []
        self.gaps: list[Dropped] = []

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        assert isinstance(chunk.payload, Frames)
        self.fed += chunk.payload.pts
        self.fed_at_s.append(time.monotonic())
        self._work()
        return super().feed(chunk)

    def gap(self, dropped: Dropped) -> None:
        self.gaps.append(dropped)


class WatchedFactory(IdentityFactory):
    """Any stage's name over a Watched one; ``stage`` is the newest."""

    def __init__(self, name: str, work: Work = lambda: None) -> None:
        super().__init__(name)
        self._work = work

    def open(self, opening: Opening) -> Opened:
        self.stage = Watched(self._work)
        return Opened(self.stage, opening.negotiate(opening.offers))


class HeldSource:
    """A real source whose frames take ``work`` more each."""

    def __init__(self, stage: Any, work: Work) -> None:
        self._stage, self._work = stage, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def flush(self) -> Iterable[Chunk]:
        for chunk in self._stage.flush():
            yield chunk
            self._work()


class HeldSourceFactory:
    """The real preprocess."""

    name = "preprocess"

    def __init__(self, work: Work = lambda: None) -> None:
        self._real = PreprocessFactory(Settings())
        self._work = work

    def open(self, opening: Opening) -> Opened:
        opened = self._real.open(opening)
        return Opened(HeldSource(opened.stage, self._work), opened.inputs)

    def close(self) -> None:
        self._real.close()


def factories_of(slow: str, work: Work, url: str = "", *, encodes: bool = False) -> dict[str, StageFactory]:
    """All four; ``url``: what the real preprocess opens; ``encodes``: with the real encoder."""
    found: dict[str, StageFactory] = {
        name: WatchedFactory(name, work if name == slow else lambda: None) for name in STAGES
    }
    if encodes:
        found["encoder"] = EncoderFactory(Settings())
    if url:
        found["preprocess"] = HeldSourceFactory(work if slow == "preprocess" else lambda: None)
    return found
