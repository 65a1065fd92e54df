"""What a LIVE source does under overload: the oldest chunk that is not yet sent goes, the next one tells so.
Pure: no I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from reelwire.hop.ledger import merged
from reelwire.hop.timing import Outgoing
from reelwire.media import Chunk, Dropped, DropReason, Frames


def may_drop(chunk: Chunk) -> bool:
    """Frames, and what is only told about them."""
    return chunk.payload is None or isinstance(chunk.payload, Frames)


def overloaded(chunk: Chunk, stage: str) -> tuple[Dropped, ...]:
    """The frames of a chunk that the source drops; none where it carries none."""
    frames = chunk.payload
    if not isinstance(frames, Frames):
        return ()
    return (Dropped(len(frames), DropReason.OVERLOAD, frames.pts[0], frames.pts[-1], stage),)


def inheriting(chunk: Chunk, gone: Sequence[Chunk], lost: Iterable[Dropped]) -> Chunk:
    """The chunk that comes after those that are gone: tells of ``lost`` and of what they would have told, and
    starts the GOP that one of them should have."""
    told = (*(dropped for old in gone for dropped in old.dropped), *lost, *chunk.dropped)
    starts = isinstance(chunk.payload, Frames) and any(old.keyframes for old in gone)
    keyframes = tuple(sorted({0, *chunk.keyframes})) if starts else chunk.keyframes
    return replace(chunk, dropped=merged(told), keyframes=keyframes)


def drop_oldest(queue: deque[Any], newest: Outgoing, keep: int, stage: str) -> tuple[Dropped, ...]:
    """Leaves the ``keep`` newest chunks of a queue; what comes after them, or ``newest`` itself, tells of the
    others. Gives what is lost."""
    gone = []
    while len(queue) > keep:
        old = queue.popleft()
        assert isinstance(old, Outgoing)
        gone.append(old.chunk)
    lost = tuple(dropped for chunk in gone for dropped in overloaded(chunk, stage))
    heir = queue[0] if queue else newest
    assert isinstance(heir, Outgoing)
    heir.chunk = inheriting(heir.chunk, gone, lost)
    return lost
