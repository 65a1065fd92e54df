"""Messages ↔ bytes on the wire; chunks without a second copy of the payload.

A chunk travels as field 2 of ProcessRequest and of ProcessResponse, with its payload as its last field.
So writing is the header by protobuf, then tag, length and the payload's own memory in one join; reading
is a walk over the header's tags and a slice. The result is an ordinary protobuf message; a message in any
other legal order is read by the generated parser.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reelwire.errors import InvalidArgument
from reelwire.v1 import media_pb2 as pb
from reelwire.v1 import pipeline_pb2 as rpc

Buffer = bytes | memoryview
Message = TypeVar("Message", rpc.ProcessRequest, rpc.ProcessResponse)

_CHUNK_TAG = 0x12  # field 2, length-delimited: ProcessRequest.chunk and ProcessResponse.chunk
_DATA_FIELD = 16  # Chunk.data
_DATA_TAG = b"\x82\x01"  # field 16, length-delimited
_BATCH_TAG = 0x4A  # field 9, length-delimited: ProcessRequest.batch and ProcessResponse.batch
_BATCHED_TAG = b"\x0a"  # field 1, length-delimited: Batch.messages
BATCHED_BYTES = 64 * 1024  # a larger message goes alone: it would be copied once more
BATCH_MESSAGES = 64
SMALL_BYTES = 4096


@dataclass(slots=True)
class RawChunk:
    """A chunk as it came: parsed header (without payload), payload as a view, and the whole message.

    ``message`` is empty where it came without bytes, inside a process; ``handed`` is then the payload itself
    and ``worth`` its cost. ``kept``: what holds the payload's memory, where that is not in the message.
    """

    message: bytes
    header: pb.Chunk
    payload: memoryview
    handed: Any = None
    worth: int = 0
    kept: Any = None

    @property
    def cost(self) -> int:
        """What the chunk takes of its track's credit: frames for FRAMES, bytes for all else; 1 at least."""
        if not self.worth:
            frames = self.header.kind == pb.PAYLOAD_KIND_FRAMES
            self.worth = max(1, len(self.header.pts if frames else self.payload))
        return self.worth


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError("varint too long")


def _skip(data: bytes, at: int, wire_type: int) -> int:
    if wire_type == 0:
        return _read_varint(data, at)[1]
    if wire_type == 2:
        length, at = _read_varint(data, at)
        return at + length
    return at + {1: 8, 5: 4}[wire_type]


def _locate_payload(data: bytes) -> tuple[int, int, int] | None:
    """(header start, header end, payload start) where the payload is last; None: some other layout."""
    try:
        length, start = _read_varint(data, 1)
        if start + length != len(data):
            return None
        at = start
        while at < len(data):
            tag_at = at
            tag, at = _read_varint(data, at)
            if tag >> 3 == _DATA_FIELD and tag & 7 == 2:
                size, at = _read_varint(data, at)
                return (start, tag_at, at) if at + size == len(data) else None
            at = _skip(data, at, tag & 7)
    except (IndexError, KeyError):
        return None
    return (start, len(data), len(data)) if at == len(data) else None


def parse_chunk(data: bytes) -> RawChunk | None:
    """A whole ProcessRequest or ProcessResponse that holds a chunk in our layout; None: anything else."""
    if not data or data[0] != _CHUNK_TAG:
        return None
    parts = _locate_payload(data)
    if parts is None:
        return None
    start, end, payload = parts
    try:
        header = pb.Chunk.FromString(data[start:end])
    except Exception:  # the generated parser says what is wrong with it
        return None
    return RawChunk(data, header, memoryview(data)[payload:])


def parse(data: bytes, kind: type[Message]) -> Message | RawChunk:
    """Any message of a stream. InvalidArgument: not such a message, or an empty one."""
    raw = parse_chunk(data) if len(data) > SMALL_BYTES else None  # copied sooner than found
    if raw is not None:
        return raw
    try:
        message = kind.FromString(data)
    except Exception:
        raise InvalidArgument(f"{len(data)} bytes are not a {kind.__name__}") from None
    which = message.WhichOneof("message")
    if which is None:
        raise InvalidArgument(f"{kind.__name__} without a message in it")
    if which == "chunk":
        payload = memoryview(message.chunk.data)
        message.chunk.ClearField("data")
        return RawChunk(data, message.chunk, payload)
    return message


def messages_in(wire: bytes | RawChunk, kind: type[Message]) -> Iterator[Message | RawChunk]:
    """What one message of a stream holds: itself, or what is in a batch. InvalidArgument: as ``parse``."""
    if isinstance(wire, RawChunk):
        yield wire
        return
    for data in unpack(wire):
        yield parse(data, kind)


def encode_chunk(header: pb.Chunk, payload: list[Buffer]) -> bytes:
    """Header (without payload) + the payload's pieces → a ProcessRequest or ProcessResponse. One copy."""
    head = header.SerializeToString()
    size = sum(len(part) for part in payload)
    tail = _DATA_TAG + _varint(size) if payload else b""
    total = len(head) + len(tail) + size
    return b"".join((bytes((_CHUNK_TAG,)), _varint(total), head, tail, *payload))


def pack(messages: Sequence[bytes]) -> Iterator[bytes]:
    """The same messages in order, small neighbours put together."""
    small: list[bytes] = []
    for message in messages:
        if len(message) > BATCHED_BYTES:
            yield from _packed(small)
            yield message
            small = []
        else:
            small.append(message)
    yield from _packed(small)


def _packed(small: list[bytes]) -> Iterable[bytes]:
    if len(small) < 2:
        return small
    body = b"".join([part for each in small for part in (_BATCHED_TAG, _varint(len(each)), each)])
    return (b"".join((bytes((_BATCH_TAG,)), _varint(len(body)), body)),)


def unpack(data: bytes) -> Sequence[bytes]:
    """The messages of a batch, or the message itself. InvalidArgument: it is no batch, or too long a one."""
    if not data or data[0] != _BATCH_TAG:
        return (data,)
    try:
        messages = rpc.ProcessRequest.FromString(data).batch.messages  # the same in both directions
    except Exception:
        raise InvalidArgument(f"{len(data)} bytes are not a batch") from None
    if len(messages) > BATCH_MESSAGES or any(each[:1] == data[:1] for each in messages):
        raise InvalidArgument(
            f"a batch of {len(messages)} messages; expected at most {BATCH_MESSAGES}, and no batch inside"
        )
    return messages
