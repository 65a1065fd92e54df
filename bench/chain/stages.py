"""The four stages of the chain: each writes every pixel, or none touches any; the last one gives packets.

A packet holds a few of its picture's pixels, so that whoever gets it knows that the right ones arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from bench.load import read_every_byte
from reelwire.hop.checks import STAGES
from reelwire.media import (
    Chunk,
    Frames,
    Offer,
    Packet,
    PacketFormat,
    Packets,
    PayloadKind,
    Pixels,
    read_only,
)
from reelwire.stage import Opened, Opening, PassThrough

Empty = Callable[[tuple[int, ...]], Pixels]
new_array: Empty = partial(np.empty, dtype=np.uint8)
WRITING, UNTOUCHED = "writing", "untouched"
MARK_STEP = 65537  # a prime: every column and colour comes by
ALL_BITS = 0xFF


def written(pixels: Pixels, empty: Empty = new_array) -> Pixels:
    """Every byte read and written, into a new array; four times gives the first pixels again."""
    return np.bitwise_xor(pixels, ALL_BITS, out=empty(pixels.shape))


def mark(pixels: Pixels) -> bytes:
    """A byte of every ``MARK_STEP``."""
    return pixels.reshape(-1)[::MARK_STEP].tobytes()


class ChainStage(PassThrough):
    """One of the four. ``last``: gives a packet for each frame, and reads every byte where it writes none."""

    def __init__(self, *, writes: bool, last: bool, empty: Empty = new_array) -> None:
        """``empty``: where a new picture's memory comes from, as ``Opening.empty``."""
        self._empty = empty
        self._writes = writes
        self._last = last

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """One chunk of frames, or at the end of the chain of packets."""
        frames = chunk.payload
        assert isinstance(frames, Frames)
        if self._writes:
            frames = Frames(frames.format, frames.pts, read_only(written(frames.pixels, self._empty)))
        elif self._last:
            read_every_byte(frames.pixels)
        if not self._last:
            return (replace(chunk, payload=frames),)
        packets = (
            Packet(pts, pts, 0, keyframe=True, data=mark(pixels))
            for pts, pixels in zip(frames.pts, frames.pixels, strict=True)
        )
        return (Chunk(chunk.track, Packets(tuple(packets))),)


def chain_stages(work: str, empty: Empty = new_array) -> tuple[ChainStage, ...]:
    """All four, for ``WRITING`` or ``UNTOUCHED``."""
    return tuple(ChainStage(writes=work == WRITING, last=name == STAGES[-1], empty=empty) for name in STAGES)


class ChainFactory:
    """Serves under the name of a stage; a stream says in ``generator.model`` what the four do."""

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self, opening: Opening) -> Opened:
        """Takes frames of one layout."""
        (offer,) = opening.offers
        stage = chain_stages(opening.config.generator.model, opening.empty)[STAGES.index(self.name)]
        if self.name != STAGES[-1]:
            return Opened(stage, opening.negotiate((offer,)))
        taken = offer.settled(offer.layouts[0])
        packets = PacketFormat("rawvideo", offer.video.time_base, video=taken.video)
        opening.negotiate((Offer(offer.track, PayloadKind.PACKETS, packets),))
        return Opened(stage, (taken,))

    def close(self) -> None:
        """Nothing to free."""
