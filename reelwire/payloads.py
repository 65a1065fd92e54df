"""What a chunk carries ↔ its header's fields and its payload's bytes; refused where they do not agree."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import numpy.typing as npt

from reelwire.errors import BadPayload
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
from reelwire.wire import Buffer, RawChunk

MAX_PTS = 2**61  # the difference of two is still an int64, as media libraries need it
_TENSOR_TYPES = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


def size_bytes(payload: Payload | None) -> int:
    """Bytes of a payload on the wire; nothing is copied to find out."""
    match payload:
        case Frames():
            return payload.pixels.nbytes
        case Sound():
            return payload.samples.nbytes
        case Packets():
            return sum(len(packet.data) for packet in payload.packets)
        case ContainerBytes():
            return len(payload.data)
        case Tensor():
            return payload.array.nbytes
        case Text():
            return len(payload.text.encode())
        case SideData():
            return len(payload.json.encode())
    return 0


def cost(chunk: Chunk) -> int:
    """As RawChunk.cost, for a chunk that is not yet on the wire."""
    if isinstance(chunk.payload, Frames):
        return max(1, len(chunk.payload))
    return max(1, size_bytes(chunk.payload))


def describe(chunk: Chunk, header: pb.Chunk, offered: VideoFormat | None) -> None:
    """Fills the header's fields that describe the payload.

    ``offered``: the track's agreed video format; written again only where the frames differ from it.
    """
    payload = chunk.payload
    header.kind = cast(pb.PayloadKind, KIND_OF[type(payload)] if payload is not None else PayloadKind.FRAMES)
    match payload:
        case Frames():
            header.pts.extend(payload.pts)
            if payload.format is not offered and payload.format != offered:
                header.video.CopyFrom(video_to_proto(payload.format))
        case Packets():
            header.pts.extend(packet.pts for packet in payload.packets)
            for packet in payload.packets:
                header.packets.add(
                    size_bytes=len(packet.data),
                    dts=packet.dts,
                    duration=packet.duration,
                    keyframe=packet.keyframe,
                )
        case Sound() | Text() | SideData() | Tensor():
            header.pts.append(payload.pts)
            if isinstance(payload, Tensor):
                dtype, shape = payload.array.dtype.name, payload.array.shape
                header.tensor.CopyFrom(pb.TensorInfo(dtype=dtype, shape=shape, name=payload.name))


def pieces(payload: Payload | None) -> list[Buffer]:
    """A payload's bytes, as few pieces as they lie in; copied only where they do not lie in C order."""
    match payload:
        case Frames():
            return [_bytes_of(payload.pixels)]
        case Sound():
            return [_bytes_of(payload.samples.astype("<f4", copy=False))]
        case Packets():
            return [packet.data for packet in payload.packets]
        case ContainerBytes():
            return [payload.data]
        case Text():
            return [payload.text.encode()]
        case SideData():
            return [payload.json.encode()]
        case Tensor():
            return [_bytes_of(payload.array.astype(payload.array.dtype.newbyteorder("<"), copy=False))]
    return []


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
    return Frames(format_, tuple(header.pts), read_only(pixels) if pixels.flags.writeable else pixels)


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
    if any(abs(pts) > MAX_PTS for pts in header.pts):
        raise BadPayload(
            f"track {header.track}: pts {max(header.pts, key=abs)}; expected at most {MAX_PTS} either way",
            field="pts",
        )
    if not raw.payload and raw.handed is None and dropped and not header.pts:
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
    payload = _payload(raw, offer) if raw.handed is None else raw.handed
    return Chunk(header.track, payload, dropped, 0, keyframes)


def dropped_to_proto(dropped: Dropped, stage: str) -> pb.Dropped:
    """Dropped → message, with the stage filled in where the stage itself left it out."""
    return pb.Dropped(
        count=dropped.count,
        reason=cast(pb.DropReason, dropped.reason),
        first_pts=dropped.first_pts,
        last_pts=dropped.last_pts,
        stage=dropped.stage or stage,
    )
