"""The Stage protocol: one per stream; synchronous; no gRPC, asyncio, sockets or clock inside.

The runtime calls a stage from one worker thread at a time and reads what it gives lazily, chunk by
chunk, under the next hop's credit: a generator that yields early lets the next stage start early.
Tracks that a stage does not change are yielded as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reelwire.media import Chunk, Dropped, Offer, Pixels
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig
from reelwire.v1.pipeline_pb2 import Control, Notice


class Negotiate(Protocol):
    """Offers what a stage will give; returns the same tracks with what the next stage chose.

    Exactly one layout each in the answer. Blocks until the next stage, and all after it, are ready. To be
    called exactly once, before the first chunk is yielded: at open, or later (inside feed or flush) by a
    stage that must first see its input. ``models``: what this stage is bound to, for the provenance mark.
    Raises what the next stage raised.
    """

    def __call__(self, offers: Sequence[Offer], models: Sequence[PinnedModel] = ()) -> tuple[Offer, ...]: ...


class Stage(Protocol):
    """The work of one service for one stream."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """Takes a chunk; gives whatever is ready, in order."""

    def control(self, control: Control) -> None:
        """A change from a pts on. Called in its place in track 0's order, before the frame it is for, or
        late: then it holds from the next frame and the stage says so by a notice."""

    def gap(self, dropped: Dropped) -> None:
        """Frames that were dropped before this stage."""

    def flush(self) -> Iterable[Chunk]:
        """No more input: gives what is left. A source makes its whole output here."""

    def snapshot(self) -> bytes | None:
        """The stage's memory; None: cannot be resumed exactly."""

    def restore(self, state: bytes) -> None:
        """Goes on from a snapshot."""

    def close(self) -> None:
        """Frees what it holds. Called exactly once, after errors too."""


def _new_array(shape: tuple[int, ...]) -> Pixels:
    return np.empty(shape, np.uint8)


@dataclass(frozen=True)
class Opening:
    """What a stage is opened with.

    ``offers`` is what comes in (one for each track; empty for a source that fetches its own input).
    ``notice`` tells the caller something in one line and may be called at any time.
    ``empty`` gives memory for pixels, ``(T, H, W, 3)`` or ``(T, H * 3 // 2, W) uint8``, that will be given to
    the next stage as a whole: it may lie where that one reads it, so that nothing is copied. To be written
    before it is given, and not after.
    """

    stream_id: str
    config: StreamConfig
    offers: tuple[Offer, ...]
    negotiate: Negotiate
    notice: Callable[[Notice.Kind, str], None]
    empty: Callable[[tuple[int, ...]], Pixels] = _new_array

    @property
    def chunk_frames(self) -> int:
        """Frames in each chunk that a source makes."""
        return self.config.chunk_frames or 1

    @property
    def live(self) -> bool:
        """True under the LIVE policy: low delay before everything else."""
        return self.config.policy == 2


@dataclass(frozen=True)
class Opened:
    """A stage that is ready, and what it agreed to.

    ``inputs``: the offers as accepted, exactly one layout each. ``hold_frames``: most frames that may lie
    between an input and its output inside this stage. ``resumable``: snapshot() gives exact state.
    """

    stage: Stage
    inputs: tuple[Offer, ...]
    hold_frames: int = 0
    resumable: bool = False


class StageFactory(Protocol):
    """One per service process; opens a stage for each stream. Shared resources (engines) live here."""

    name: str

    def open(self, opening: Opening) -> Opened:
        """Checks the config and opens. Raises ``reelwire.errors``. Runs on the worker thread."""

    def close(self) -> None:
        """Frees shared resources at the end of the process."""


class SourceStage(Stage, Protocol):
    """A stage that brings frames in itself, and so counts them."""

    @property
    def source_frames(self) -> int:
        """Frames met so far: decoded, and refused by the decoder."""

    @property
    def damaged_frames(self) -> int:
        """Frames used although the decoder flagged them."""

    @property
    def idle_us(self) -> int:
        """Microseconds in which there was nothing to do: the next frame had not happened yet."""

    @property
    def behind_us(self) -> int:
        """Microseconds for which the newest frame had been due when it was taken up; it is older by that."""


class PassThrough:
    """The parts of a stage that most stages leave alone."""

    def control(self, control: Control) -> None:
        """Nothing changes mid-stream."""

    def gap(self, dropped: Dropped) -> None:
        """Nothing to repair."""

    def flush(self) -> Iterable[Chunk]:
        """Nothing is held."""
        return ()

    def snapshot(self) -> bytes | None:
        """No memory."""
        return b""

    def restore(self, state: bytes) -> None:
        """No memory."""

    def close(self) -> None:
        """Nothing to free."""
