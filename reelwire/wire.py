"""Chunks ↔ bytes on the wire, without a second copy of the payload.

A chunk travels as field 2 of ProcessRequest and of ProcessResponse, with its payload as its last field.
So writing is the header by protobuf, then tag, length and the payload's own memory in one join; reading
is a walk over the header's tags and a slice. The result is an ordinary protobuf message; a message in any
other legal order is read by the generated parser.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from reelwire.errors import BadPayload, InvalidArgument
from reelwire.formats import video_from_proto, video_to_proto
from reelwire.media import (
    KIND_OF,
    Chunk,
    ContainerBytes,
    Dropped,
    DropReason,
    Frames,
    Offer,
    Packet,
    Packets,
    Payload,
    PayloadKind,
    SideData,
    Sound,
    SoundFormat,
    Tensor,
    Text,
    VideoFormat,
    read_only,
)
from reelwire.v1 import media_pb2 as pb
from reelwire.v1 import pipeline_pb2 as rpc

Buffer = bytes | memoryview
Message = TypeVar("Message", rpc.ProcessRequest, rpc.ProcessResponse)

_CHUNK_TAG = 0x12  # field 2, length-delimited: ProcessRequest.chunk and ProcessResponse.chunk
_DATA_FIELD = 16  # Chunk.data
_DATA_TAG = b"\x82\x01"  # field 16, length-delimited
_TENSOR_TYPES = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


@dataclass(slots=True)
class RawChunk:
    """A chunk as it came: parsed header (without payload), payload as a view, and the whole message."""

    message: bytes
    header: pb.Chunk
    payload: memoryview

    @property
    def cost(self) -> int:
        """What the chunk takes of its track's credit: frames for FRAMES, bytes for all else; 1 at least."""
        if self.header.kind == pb.PAYLOAD_KIND_FRAMES:
            return max(1, len(self.header.pts))
        return max(1, len(self.payload))


def cost(chunk: Chunk) -> int:
    """As RawChunk.cost, for a chunk that is not yet on the wire."""
    match chunk.payload:
        case Frames():
            return max(1, len(chunk.payload))
        case Sound():
            return max(1, chunk.payload.samples.nbytes)
        case Packets():
            return max(1, sum(len(packet.data) for packet in chunk.payload.packets))
        case ContainerBytes():
            return max(1, len(chunk.payload.data))
        case Tensor():
            return max(1, chunk.payload.array.nbytes)
        case Text():
            return max(1, len(chunk.payload.text.encode()))
        case SideData():
            return max(1, len(chunk.payload.json.encode()))
    return 1


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
    raw = parse_chunk(data)
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


def encode_chunk(header: pb.Chunk, payload: list[Buffer]) -> bytes:
    """Header (without payload) + the payload's pieces → a ProcessRequest or ProcessResponse. One copy."""
    head = header.SerializeToString()
    size = sum(len(part) for part in payload)
    tail = _DATA_TAG + _varint(size) if payload else b""
    total = len(head) + len(tail) + size
    return b"".join((bytes((_CHUNK_TAG,)), _varint(total), head, tail, *payload))


def write_payload(chunk: Chunk, header: pb.Chunk, offered: VideoFormat | None) -> list[Buffer]:
    """Fills the header's fields that describe the payload; gives the payload's pieces.

    ``offered``: the track's agreed video format; written again only where the frames differ from it.
    """
    payload = chunk.payload
    header.kind = cast(pb.PayloadKind, KIND_OF[type(payload)] if payload is not None else PayloadKind.FRAMES)
    match payload:
        case None:
            return []
        case Frames():
            header.pts.extend(payload.pts)
            if payload.format != offered:
                header.video.CopyFrom(video_to_proto(payload.format))
            return [_bytes_of(payload.pixels)]
        case Sound():
            header.pts.append(payload.pts)
            return [_bytes_of(payload.samples.astype("<f4", copy=False))]
        case Packets():
            header.pts.extend(packet.pts for packet in payload.packets)
            for packet in payload.packets:
                header.packets.add(
                    size_bytes=len(packet.data),
                    dts=packet.dts,
                    duration=packet.duration,
                    keyframe=packet.keyframe,
                )
            return [packet.data for packet in payload.packets]
        case ContainerBytes():
            return [payload.data]
        case Text():
            header.pts.append(payload.pts)
            return [payload.text.encode()]
        case SideData():
            header.pts.append(payload.pts)
            return [payload.json.encode()]
        case Tensor():
            header.pts.append(payload.pts)
            array = payload.array.astype(payload.array.dtype.newbyteorder("<"), copy=False)
            header.tensor.CopyFrom(
                pb.TensorInfo(dtype=array.dtype.name, shape=array.shape, name=payload.name)
            )
            return [_bytes_of(array)]


def _bytes_of(array: npt.NDArray[np.generic]) -> memoryview:
    """The array's own memory, in C order; copied only where it does not lie so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _frames(raw: RawChunk, offer: Offer) -> Frames:
    header = raw.header
    format_ = video_from_proto(header.video) if header.HasField("video") else offer.video
    expected = len(header.pts) * format_.frame_bytes
    if not header.pts or len(raw.payload) != expected:
        raise BadPayload(
            f"payload of {len(raw.payload)} bytes for {len(header.pts)} frames of {format_.width}x"
            f"{format_.height} {format_.layout.name}; expected {expected} and at least one frame",
            field="data",
        )
    pixels = np.frombuffer(raw.payload, np.uint8).reshape(len(header.pts), *format_.frame_shape)
    return Frames(format_, tuple(header.pts), read_only(pixels))


def _sound(raw: RawChunk, offer: Offer) -> Sound:
    assert isinstance(offer.format, SoundFormat)
    frame_bytes = 4 * offer.format.channel_count
    if len(raw.payload) % frame_bytes or len(raw.header.pts) != 1:
        raise BadPayload(
            f"sound of {len(raw.payload)} bytes and {len(raw.header.pts)} pts; expected a multiple of "
            f"{frame_bytes} bytes (float32 x {offer.format.channel_count} channels) and one pts",
            field="data",
        )
    samples = np.frombuffer(raw.payload, "<f4").reshape(-1, offer.format.channel_count)
    if not np.isfinite(samples).all():
        raise BadPayload("sound holds NaN or infinity; expected finite float32", field="data")
    return Sound(offer.format, raw.header.pts[0], samples)


def _packets(raw: RawChunk) -> Packets:
    infos, packets, at = raw.header.packets, [], 0
    sizes = [info.size_bytes for info in infos]
    if len(infos) != len(raw.header.pts) or min(sizes, default=0) < 0 or sum(sizes) != len(raw.payload):
        raise BadPayload(
            f"{len(infos)} packets of {sum(sizes)} bytes, {len(raw.header.pts)} pts and a payload of "
            f"{len(raw.payload)} bytes do not agree; expected one pts for each and sizes that add up",
            field="packets",
        )
    for pts, info in zip(raw.header.pts, infos, strict=True):
        data = raw.payload[at : at + info.size_bytes]
        packets.append(Packet(pts, info.dts, info.duration, info.keyframe, data))
        at += info.size_bytes
    return Packets(tuple(packets))


def _tensor(raw: RawChunk) -> Tensor:
    info = raw.header.tensor
    if info.dtype not in _TENSOR_TYPES:
        known = ", ".join(sorted(_TENSOR_TYPES))
        raise BadPayload(f'tensor type "{info.dtype}" is unknown; expected one of {known}', field="tensor")
    dtype, shape = np.dtype(info.dtype).newbyteorder("<"), tuple(info.shape)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(raw.payload):
        raise BadPayload(
            f"tensor {info.dtype}{list(shape)} in a payload of {len(raw.payload)} bytes; expected lengths of "
            "0 or more and exactly the bytes they make",
            field="tensor",
        )
    array = np.frombuffer(raw.payload, dtype).reshape(shape)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadPayload(
            f'tensor "{info.name}" holds NaN or infinity; expected finite values', field="tensor"
        )
    return Tensor(info.name, _one_pts(raw), array)


def _one_pts(raw: RawChunk) -> int:
    """The pts of a payload that has one; 0 where the sender left it out."""
    if len(raw.header.pts) > 1:
        kind = PayloadKind(raw.header.kind).name
        raise BadPayload(f"{kind} with {len(raw.header.pts)} pts; expected one", field="pts")
    return raw.header.pts[0] if raw.header.pts else 0


def _payload(raw: RawChunk, offer: Offer) -> Payload:
    match offer.kind:
        case PayloadKind.FRAMES:
            return _frames(raw, offer)
        case PayloadKind.SOUND:
            return _sound(raw, offer)
        case PayloadKind.PACKETS:
            return _packets(raw)
        case PayloadKind.CONTAINER_BYTES:
            return ContainerBytes(raw.payload)
        case PayloadKind.TENSOR:
            return _tensor(raw)
        case PayloadKind.TEXT | PayloadKind.SIDE_DATA:
            try:
                text = bytes(raw.payload).decode()
            except UnicodeDecodeError:
                raise BadPayload("text is not UTF-8", field="data") from None
            pts = _one_pts(raw)
            return Text(text, pts) if offer.kind is PayloadKind.TEXT else SideData(text, pts)


def read_chunk(raw: RawChunk, offer: Offer) -> Chunk:
    """A chunk for a stage; its arrays are read-only views of the message. BadPayload where it is not what
    the offer said."""
    header = raw.header
    dropped = tuple(
        Dropped(d.count, DropReason(d.reason), d.first_pts, d.last_pts, d.stage)
        for d in header.dropped
        if d.count > 0 and d.reason in DropReason._value2member_map_
    )
    if header.WhichOneof("payload") == "slot":
        raise BadPayload("payload in a slot; this service takes it inline only", field="slot")
    if not raw.payload and dropped and not header.pts:
        return Chunk(header.track, None, dropped)
    if header.kind != int(offer.kind):
        raise BadPayload(
            f"track {header.track} carries payload kind {header.kind}; expected {offer.kind.name}",
            field="kind",
        )
    keyframes = tuple(header.keyframes)
    if any(not 0 <= place < len(header.pts) for place in keyframes):
        raise BadPayload(
            f"keyframes {keyframes}: expected indexes of {len(header.pts)} pts", field="keyframes"
        )
    return Chunk(header.track, _payload(raw, offer), dropped, 0, keyframes)


def dropped_to_proto(dropped: Dropped, stage: str) -> pb.Dropped:
    """Dropped → message, with the stage filled in where the stage itself left it out."""
    return pb.Dropped(
        count=dropped.count,
        reason=cast(pb.DropReason, dropped.reason),
        first_pts=dropped.first_pts,
        last_pts=dropped.last_pts,
        stage=dropped.stage or stage,
    )
