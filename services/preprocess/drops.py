"""Frames that will not come, gathered until the next chunk of their track can carry them."""

from __future__ import annotations

from reelwire.media import Dropped, DropReason


class DropLog:
    """Neighbours of one reason are told as one."""

    def __init__(self) -> None:
        self._waiting: list[Dropped] = []

    def add(self, reason: DropReason, pts: int) -> None:
        """One more frame."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.reason is reason:
            first, newest = min(last.first_pts, pts), max(last.last_pts, pts)
            self._waiting[-1] = Dropped(last.count + 1, reason, first, newest)
        else:
            self._waiting.append(Dropped(1, reason, pts, pts))

    def take(self) -> tuple[Dropped, ...]:
        """All that wait."""
        taken, self._waiting = tuple(self._waiting), []
        return taken
