"""A chunk of any size → the same in chunks that fit into messages. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from reelwire.errors import TooLarge
from reelwire.media import (
    KIND_OF,
    Chunk,
    ContainerBytes,
    Frames,
    Packet,
    Packets,
    Payload,
    Sound,
    split_frames,
)
from reelwire.payloads import cost

MAX_PARTS_OF_HEADER = 1024  # frames or packets in one message: their pts and sizes stand in its header


def parts_of(chunk: Chunk, max_bytes: int) -> Iterator[Chunk]:
    """The same frames, samples, packets or bytes in order, each payload at most ``max_bytes`` long. What was
    dropped before the chunk, ``made_frames`` and the count of container bytes go with the first.

    TooLarge: a frame, packet, text or tensor alone is longer; the message says what to do.
    """
    match chunk.payload:
        case Frames():
            yield from _frames(chunk, chunk.payload, max_bytes)
        case Sound():
            yield from _with_first(chunk, _sound(chunk.payload, max_bytes))
        case Packets():
            yield from _with_first(chunk, _packets(chunk.payload, max_bytes))
        case ContainerBytes():
            yield from _with_first(chunk, _bytes(chunk.payload, max_bytes))
        case None:
            yield chunk
        case _:
            size_bytes = cost(chunk)
            if size_bytes > max_bytes:
                raise _too_large(f"a {KIND_OF[type(chunk.payload)].name} payload", size_bytes, max_bytes)
            yield chunk


def _frames(chunk: Chunk, frames: Frames, max_bytes: int) -> Iterator[Chunk]:
    each = frames.format.frame_bytes
    if each > max_bytes:
        size = f"{frames.format.width}x{frames.format.height} {frames.format.layout.name}"
        raise _too_large(f"one frame of {size}", each, max_bytes)
    yield from split_frames(chunk, min(MAX_PARTS_OF_HEADER, max_bytes // each))


def _with_first(chunk: Chunk, payloads: Iterator[Payload]) -> Iterator[Chunk]:
    for place, payload in enumerate(payloads):
        part = replace(chunk, payload=payload)
        yield part if place == 0 else replace(part, dropped=(), made_frames=0)


def _sound(sound: Sound, max_bytes: int) -> Iterator[Sound]:
    """Cut where a pts is a whole number of ticks."""
    per_sample = Fraction(1, sound.format.sample_rate) / sound.format.time_base
    step, sample_bytes = per_sample.denominator, 4 * sound.format.channel_count
    count = max_bytes // sample_bytes // step * step
    if len(sound.samples) * sample_bytes <= max_bytes:
        yield sound
        return
    if not count:
        raise _too_large(f"{step} samples of sound", step * sample_bytes, max_bytes)
    for start in range(0, len(sound.samples), count):
        pts = sound.pts + int(start * per_sample)
        yield Sound(sound.format, pts, sound.samples[start : start + count])


def _packets(packets: Packets, max_bytes: int) -> Iterator[Packets]:
    gathered: list[Packet] = []
    size_bytes = 0
    for packet in packets.packets:
        if len(packet.data) > max_bytes:
            raise _too_large(f"the packet at pts {packet.pts}", len(packet.data), max_bytes)
        if gathered and (size_bytes + len(packet.data) > max_bytes or len(gathered) == MAX_PARTS_OF_HEADER):
            yield Packets(tuple(gathered))
            gathered, size_bytes = [], 0
        gathered.append(packet)
        size_bytes += len(packet.data)
    yield Packets(tuple(gathered))


def _bytes(given: ContainerBytes, max_bytes: int) -> Iterator[ContainerBytes]:
    view = memoryview(given.data)
    for start in range(0, max(1, len(view)), max_bytes):
        part = view[start : start + max_bytes] if len(view) > max_bytes else given.data
        yield ContainerBytes(part, given.frame_count if start == 0 else 0)


def _too_large(what: str, size_bytes: int, max_bytes: int) -> TooLarge:
    return TooLarge(
        f"{what} is {size_bytes} bytes, a message takes at most {max_bytes}; send less at once or scale it "
        "down first, or raise REELWIRE_MAX_MESSAGE_BYTES at every service",
        field="chunk",
    )
