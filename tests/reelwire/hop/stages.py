"""Stages with one property each, for the tests of the hop."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from reelwire.media import Chunk, Dropped, DropReason, Frames
from reelwire.stage import Opened, Opening, PassThrough, Stage
from reelwire.testing import IdentityFactory, IdentityStage
from reelwire.v1.pipeline_pb2 import Control


class StageOf(IdentityFactory):
    """A factory over any stage."""

    def __init__(self, name: str, make: type[Stage], hold_frames: int = 0) -> None:
        super().__init__(name)
        self.make = make
        self.hold_frames = hold_frames
        self.made: list[Stage] = []

    def open(self, opening: Opening) -> Opened:
        stage = self.make()
        self.made.append(stage)
        return Opened(stage, opening.negotiate(opening.offers), self.hold_frames)


class Holding(PassThrough):
    """Holds all frames until the end, as an encoder with a deep lookahead does."""

    def __init__(self) -> None:
        self.held: list[Chunk] = []

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        self.held.append(chunk)
        return ()

    def flush(self) -> Iterable[Chunk]:
        yield from self.held


class EverySecond(PassThrough):
    """Drops every second frame, repeats every fourth."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        frames = chunk.payload
        assert isinstance(frames, Frames)
        for index, pts in enumerate(frames.pts):
            one = frames[index : index + 1]
            if pts % 2:
                yield replace(chunk, payload=None, dropped=(Dropped(1, DropReason.TRIMMED, pts, pts),))
            elif pts % 4 == 0:
                yield replace(chunk, payload=one)
                yield replace(chunk, payload=replace(one, pts=(pts + 1,)), made_frames=1)
            else:
                yield replace(chunk, payload=one)


class Failing(PassThrough):
    """Breaks on its fifth frame."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        frames = chunk.payload
        assert isinstance(frames, Frames)
        if frames.pts[0] >= 5:
            raise ZeroDivisionError("a bug")
        return (chunk,)


class Slow(IdentityStage):
    """Works on a chunk only when the test lets it."""

    gate = threading.Semaphore(0)

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        self.gate.acquire(timeout=60)
        return super().feed(chunk)


class Recording(IdentityStage):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.controls: list[Control] = []
        self.gaps: list[Dropped] = []
        self.closed = 0

    def control(self, control: Control) -> None:
        self.controls.append(control)

    def gap(self, dropped: Dropped) -> None:
        self.gaps.append(dropped)

    def close(self) -> None:
        self.closed += 1
