"""The shortest way to the other end of a hop and back, from credits that say what they answer. Pure."""

from __future__ import annotations

REMEMBERED_SENDS = 256  # newest chunks whose answer can still come


class RoundTrips:
    """``half_us``: half of the smallest round trip so far in microseconds; 0: none was measured."""

    def __init__(self) -> None:
        self._sent_us: dict[tuple[int, int], int] = {}  # (track, seq) → when, oldest first
        self.half_us = 0

    def sent(self, track: int, seq: int, at_us: int) -> None:
        """A chunk was sent."""
        self._sent_us[track, seq] = at_us
        if len(self._sent_us) > REMEMBERED_SENDS:
            del self._sent_us[next(iter(self._sent_us))]

    def answered(self, track: int, seq: int, held_us: int, at_us: int) -> None:
        """A Credit came: it answers chunk ``seq``, which the other end had for ``held_us``."""
        sent_us = self._sent_us.get((track, seq))
        if sent_us is None:
            return
        half = max(0, at_us - sent_us - held_us) // 2
        self.half_us = min(self.half_us, half) if self.half_us else half
        for key in [key for key in self._sent_us if key[0] == track and key[1] <= seq]:
            del self._sent_us[key]
