"""Order and accounts of one stream at one stage. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from reelwire.errors import PtsNotIncreasing, SequenceBroken
from reelwire.media import Chunk, Dropped, DropReason, Frames


class Order:
    """Checks seq (without gap or repeat) and pts (strictly increasing for frames) of each track."""

    def __init__(self) -> None:
        self._next_seq: dict[int, int] = {}
        self._last_pts: dict[int, int] = {}

    def check_seq(self, track: int, seq: int) -> None:
        """SequenceBroken: a chunk is missing or came twice."""
        expected = self._next_seq.get(track, 0)
        if seq != expected:
            raise SequenceBroken(f"track {track}: chunk {seq} came, expected {expected}", field="seq")
        self._next_seq[track] = expected + 1

    def check_pts(self, chunk: Chunk) -> None:
        """PtsNotIncreasing: a frame is not after the one before."""
        if not isinstance(chunk.payload, Frames):
            return
        for pts in chunk.payload.pts:
            last = self._last_pts.get(chunk.track)
            if last is not None and pts <= last:
                raise PtsNotIncreasing(
                    f"track {chunk.track}: pts {pts} after {last}; expected above it", field="pts"
                )
            self._last_pts[chunk.track] = pts


def merged(drops: Iterable[Dropped]) -> tuple[Dropped, ...]:
    """The same counts with one entry for each stage and reason, so that a list of drops stays short however
    long it gathers. Its range reaches from the first pts to the last."""
    found: dict[tuple[str, DropReason], Dropped] = {}
    for drop in drops:
        key = (drop.stage, drop.reason)
        known = found.get(key, drop)
        found[key] = replace(
            known,
            count=drop.count + (known.count if key in found else 0),
            first_pts=min(known.first_pts, drop.first_pts),
            last_pts=max(known.last_pts, drop.last_pts),
        )
    return tuple(found.values())


@dataclass
class Ledger:
    """Frames of the picture track: in + made = out + dropped + failed. Read while it changes: each count by
    itself is right, their sum only once the stream is over."""

    in_frames: int = 0
    made_frames: int = 0
    out_frames: int = 0
    damaged_frames: int = 0
    dropped: Counter[DropReason] = field(default_factory=Counter)

    def drop(self, dropped: Dropped) -> None:
        """Frames that this stage lost."""
        self.dropped[dropped.reason] += dropped.count

    @property
    def failed_frames(self) -> int:
        """Lost by a fault."""
        return sum(count for reason, count in tuple(self.dropped.items()) if reason.failed)

    @property
    def dropped_frames(self) -> int:
        """Lost by a decision."""
        return sum(count for reason, count in tuple(self.dropped.items()) if not reason.failed)

    @property
    def missing_frames(self) -> int:
        """In and made, and not (yet) out, dropped or failed."""
        return self.in_frames + self.made_frames - self.out_frames - self.dropped_frames - self.failed_frames

    def settle(self) -> int:
        """The stream ended in an error: what was under way has failed. Gives how many."""
        lost = max(0, self.missing_frames)
        if lost:
            self.dropped[DropReason.ERROR] += lost
        return lost


class AckMap:
    """Which inputs need never be sent again, from which outputs the tail has acknowledged.

    The runtime numbers outputs and remembers, for each input chunk, the newest output that existed when
    the stage had worked on it. Without checkpoints that is the whole mapping.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, int]] = deque()
        self._acked_out = -1

    def fed(self, in_seq: int, last_out_seq: int) -> None:
        """Input ``in_seq`` was worked on; ``last_out_seq`` is the newest output (-1: none yet)."""
        self._waiting.append((in_seq, last_out_seq))

    def acked(self, out_seq: int) -> int | None:
        """Outputs through ``out_seq`` are safe. Gives the newest input that is, if that moved."""
        self._acked_out = max(self._acked_out, out_seq)
        newest = None
        while self._waiting and self._waiting[0][1] <= self._acked_out:
            newest = self._waiting.popleft()[0]
        return newest

    @property
    def unacked(self) -> int:
        """Inputs that are not safe yet."""
        return len(self._waiting)
