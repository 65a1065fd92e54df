"""Credit, on both ends of a hop. Pure: no I/O, no clock.

Cumulative per track, frames for FRAMES and bytes for all else. A sender may send while what it has sent is
below the total it was granted; one chunk may overdraw it, so a chunk larger than the window still moves.
"""

from __future__ import annotations

from dataclasses import dataclass

from reelwire.errors import InvalidArgument
from reelwire.media import ContainerFormat, Offer, PacketFormat, PayloadKind, SoundFormat

SOUND_CREDIT_S = 12  # 10 s of interleave and 2 s of lag, so that sound never starves the picture
BYTES_CREDIT = 4 << 20
LIVE_BYTES_CREDIT = 1  # one packet on each hop, since any may overdraw: many are seconds of a stream
FRAMES_CREDIT_BYTES = 64 << 20  # most raw pixels under way on one hop, where two chunks are fewer


def window_for(offer: Offer, chunk_frames: int, chunks: int) -> int:
    """The credit that a receiver keeps open for a track."""
    if offer.kind is PayloadKind.FRAMES:
        chunk_bytes = max(1, offer.video.frame_bytes * chunk_frames)
        return chunk_frames * max(1, min(chunks, max(2, FRAMES_CREDIT_BYTES // chunk_bytes)))
    if isinstance(offer.format, SoundFormat):
        return max(
            BYTES_CREDIT // 4, SOUND_CREDIT_S * offer.format.sample_rate * offer.format.channel_count * 4
        )
    return BYTES_CREDIT


def returned_window(offer: Offer, chunks: int, *, live: bool) -> int:
    """The same for what comes back. A LIVE reader that is slow holds up the stages, and so the source drops:
    encoded pictures do not wait in between by the thousand."""
    encoded = isinstance(offer.format, ContainerFormat) or (
        isinstance(offer.format, PacketFormat) and offer.format.video is not None
    )
    return LIVE_BYTES_CREDIT if live and encoded else window_for(offer, 1, chunks)


class SendWindow:
    """What the other end will still take."""

    def __init__(self) -> None:
        self._granted: dict[int, int] = {}
        self._sent: dict[int, int] = {}

    def grant(self, track: int, total: int) -> None:
        """A Credit arrived; totals never fall, so an older one is ignored."""
        self._granted[track] = max(total, self._granted.get(track, 0))

    def is_open(self, track: int) -> bool:
        """True when a chunk of this track may be sent."""
        return self._sent.get(track, 0) < self._granted.get(track, 0)

    def take(self, track: int, cost: int) -> None:
        """A chunk was sent."""
        self._sent[track] = self._sent.get(track, 0) + cost

    def left(self, track: int) -> int:
        """Credit that is left; below 0 after an overdraft."""
        return self._granted.get(track, 0) - self._sent.get(track, 0)


@dataclass(slots=True)
class _Track:
    window: int
    received: int = 0
    taken: int = 0
    announced: int = 0
    unannounced_chunks: int = 0


class ReceiveWindow:
    """What this end has promised to take, and when to promise more."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}

    def begin(self, track: int, window: int) -> int:
        """Opens a track; gives the first total to announce."""
        self._tracks[track] = _Track(window, announced=window)
        return window

    def admit(self, track: int, cost: int) -> None:
        """A chunk arrived. InvalidArgument: its track was never opened, or there was no credit for it."""
        state = self._tracks.get(track)
        if state is None:
            raise InvalidArgument(
                f"chunk on track {track}, which was not offered or is not open yet; wait for its Credit",
                field="track",
            )
        if state.received >= state.announced:
            raise InvalidArgument(
                f"chunk on track {track} without credit: {state.received} of {state.announced} used",
                field="track",
            )
        state.received += cost

    def take(self, track: int, cost: int) -> bool:
        """The stage took a chunk out of the queue. True: announce the new total now and not later, because
        half of the window has gathered, or the sender is out of credit and nothing is left to work on."""
        state = self._tracks[track]
        state.taken += cost
        state.unannounced_chunks += 1
        gathered = state.taken + state.window - state.announced
        idle = state.received <= state.taken and state.received >= state.announced
        return idle or gathered >= state.window // 2

    def announce(self, track: int) -> int:
        """The total to send."""
        state = self._tracks[track]
        state.announced = max(state.announced, state.taken + state.window)
        state.unannounced_chunks = 0
        return state.announced

    def pending(self) -> list[int]:
        """Tracks with something taken that was not yet announced."""
        return [track for track, state in self._tracks.items() if state.unannounced_chunks]

    def queued(self, track: int) -> int:
        """Received and not yet taken."""
        state = self._tracks.get(track)
        return state.received - state.taken if state else 0

    def is_short(self) -> bool:
        """True when the sender has used half of what it may send on some track, and would be told more."""
        return any(
            state.unannounced_chunks and 2 * (state.announced - state.received) <= state.window
            for state in self._tracks.values()
        )
