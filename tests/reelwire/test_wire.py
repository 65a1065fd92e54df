"""Chunks on the wire: the short way and the generated parser are one format, and nothing wrong gets in."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from reelwire import payloads, wire
from reelwire.errors import InvalidArgument
from reelwire.media import (
    Chunk,
    ContainerBytes,
    ContainerFormat,
    Dropped,
    DropReason,
    Frames,
    Offer,
    Packet,
    PacketFormat,
    Packets,
    PayloadKind,
    PixelLayout,
    SideData,
    Sound,
    SoundFormat,
    Tensor,
    Text,
    TextFormat,
    VideoFormat,
)
from reelwire.v1 import media_pb2 as pb
from reelwire.v1 import pipeline_pb2 as rpc

RGB = VideoFormat(6, 4, Fraction(1, 25))
I420 = replace(RGB, layout=PixelLayout.I420)
STEREO = SoundFormat(48000, "stereo", 2, Fraction(1, 48000))
RANDOM = np.random.default_rng(3)


def _frames(video: VideoFormat, count: int) -> Frames:
    pixels = RANDOM.integers(0, 256, (count, *video.frame_shape), np.uint8)
    return Frames(video, tuple(range(10, 10 + count)), pixels)


CASES: dict[str, tuple[Offer, Chunk]] = {
    "rgb": (Offer(0, PayloadKind.FRAMES, RGB), Chunk(0, _frames(RGB, 3), keyframes=(1,))),
    "i420": (Offer(0, PayloadKind.FRAMES, I420), Chunk(0, _frames(I420, 1))),
    "sound": (
        Offer(1, PayloadKind.SOUND, STEREO),
        Chunk(1, Sound(STEREO, -1024, RANDOM.random((5, 2), np.float32))),
    ),
    "no samples": (
        Offer(1, PayloadKind.SOUND, STEREO),
        Chunk(1, Sound(STEREO, 0, np.zeros((0, 2), np.float32))),
    ),
    "packets": (
        Offer(0, PayloadKind.PACKETS, PacketFormat("h264", Fraction(1, 25))),
        Chunk(
            0,
            Packets(
                (Packet(2, -1, 1, True, b"first"), Packet(0, 0, 1, False, b""), Packet(4, 1, 0, False, b"!"))
            ),
        ),
    ),
    "container": (
        Offer(0, PayloadKind.CONTAINER_BYTES, ContainerFormat("mp4")),
        Chunk(0, ContainerBytes(b"\x00ftyp" * 40)),
    ),
    "text": (Offer(2, PayloadKind.TEXT, TextFormat()), Chunk(2, Text("ein Bär, 熊", 7))),
    "tensor": (
        Offer(3, PayloadKind.TENSOR, TextFormat()),
        Chunk(3, Tensor("depth", 5, RANDOM.random((2, 3), np.float32).T)),
    ),
    "scalar": (
        Offer(3, PayloadKind.TENSOR, TextFormat()),
        Chunk(3, Tensor("gain", 5, np.array(2, np.int64))),
    ),
    "empty tensor": (
        Offer(3, PayloadKind.TENSOR, TextFormat()),
        Chunk(3, Tensor("boxes", 5, np.zeros((0, 4), np.float16))),
    ),
    "side data": (Offer(4, PayloadKind.SIDE_DATA, TextFormat()), Chunk(4, SideData('{"faces": 2}', 9))),
}
KINDS = pytest.mark.parametrize("case", CASES)


def _encode(offer: Offer, chunk: Chunk, seq: int = 0) -> bytes:
    header = pb.Chunk(track=chunk.track, seq=seq, keyframes=chunk.keyframes)
    header.dropped.extend(payloads.dropped_to_proto(dropped, "editor") for dropped in chunk.dropped)
    video = offer.format if isinstance(offer.format, VideoFormat) else None
    payloads.describe(chunk, header, video)
    return wire.encode_chunk(header, payloads.pieces(chunk.payload))


def _read(data: bytes, offer: Offer) -> Chunk:
    raw = wire.parse(data, rpc.ProcessRequest)
    assert isinstance(raw, wire.RawChunk)
    return payloads.read_chunk(raw, offer)


def raw_chunk(payload: bytes, **fields: object) -> wire.RawChunk:
    return wire.RawChunk(b"", pb.Chunk(**fields), memoryview(payload))  # type: ignore[arg-type]


def _assert_same(got: Chunk, want: Chunk) -> None:
    assert (got.track, got.keyframes, got.dropped) == (want.track, want.keyframes, want.dropped)
    match want.payload:
        case Frames():
            assert isinstance(got.payload, Frames)
            assert (got.payload.format, got.payload.pts) == (want.payload.format, want.payload.pts)
            np.testing.assert_array_equal(got.payload.pixels, want.payload.pixels)
        case Sound():
            assert isinstance(got.payload, Sound)
            assert (got.payload.format, got.payload.pts) == (want.payload.format, want.payload.pts)
            np.testing.assert_array_equal(got.payload.samples, want.payload.samples)
        case Tensor():
            assert isinstance(got.payload, Tensor)
            assert (got.payload.name, got.payload.pts) == (want.payload.name, want.payload.pts)
            assert got.payload.array.dtype == want.payload.array.dtype
            np.testing.assert_array_equal(got.payload.array, want.payload.array)
            assert got.payload.array.shape == want.payload.array.shape
        case _:
            assert got.payload == want.payload


@KINDS
def test_every_payload_comes_back_as_it_went(case: str) -> None:
    offer, chunk = CASES[case]
    _assert_same(_read(_encode(offer, chunk), offer), chunk)


@KINDS
@pytest.mark.parametrize("kind", [rpc.ProcessRequest, rpc.ProcessResponse])
def test_what_the_short_way_writes_any_generated_parser_reads(
    case: str, kind: type[rpc.ProcessRequest]
) -> None:
    offer, chunk = CASES[case]
    header = pb.Chunk(track=chunk.track, seq=300, age_us=17, trace=[pb.Span(stage="editor", compute_us=4)])
    payloads.describe(chunk, header, offer.format if isinstance(offer.format, VideoFormat) else None)
    pieces = payloads.pieces(chunk.payload)
    message = kind.FromString(wire.encode_chunk(header, pieces))
    assert message.WhichOneof("message") == "chunk"
    assert message.chunk.data == b"".join(pieces)
    message.chunk.ClearField("data")
    assert message.chunk == header


@KINDS
@pytest.mark.parametrize("kind", [rpc.ProcessRequest, rpc.ProcessResponse])
def test_what_a_generated_stub_writes_takes_the_short_way(case: str, kind: type[rpc.ProcessRequest]) -> None:
    offer, chunk = CASES[case]
    header = pb.Chunk(track=chunk.track, seq=1, keyframes=chunk.keyframes)
    payloads.describe(chunk, header, offer.format if isinstance(offer.format, VideoFormat) else None)
    header.data = b"".join(payloads.pieces(chunk.payload))
    raw = wire.parse_chunk(kind(chunk=header).SerializeToString())
    assert raw is not None
    _assert_same(payloads.read_chunk(raw, offer), chunk)


def _field(number: int, value: bytes) -> bytes:
    """One length-delimited field."""
    out, tag = bytearray(), number << 3 | 2
    for part in (tag, len(value)):
        while part > 0x7F:
            out.append(part & 0x7F | 0x80)
            part >>= 7
        out.append(part)
    return bytes(out) + value


@KINDS
def test_fields_in_another_order_fall_back_to_the_generated_parser(case: str) -> None:
    offer, chunk = CASES[case]
    header = pb.Chunk(track=chunk.track, seq=1, keyframes=chunk.keyframes)
    payloads.describe(chunk, header, offer.format if isinstance(offer.format, VideoFormat) else None)
    payload = b"".join(payloads.pieces(chunk.payload))
    data = _field(2, _field(16, payload) + header.SerializeToString())
    assert wire.parse_chunk(data) is None
    _assert_same(_read(data, offer), chunk)


def test_a_chunk_sent_in_two_halves_is_merged_as_protobuf_says() -> None:
    offer, chunk = CASES["text"]
    header = pb.Chunk(track=2)
    payloads.describe(chunk, header, None)
    payload = b"".join(payloads.pieces(chunk.payload))
    data = _field(2, header.SerializeToString()) + _field(2, _field(16, payload))
    assert wire.parse_chunk(data) is None
    _assert_same(_read(data, offer), chunk)


def test_a_payload_given_twice_counts_once_the_last_one() -> None:
    offer, chunk = CASES["text"]
    header = pb.Chunk(track=2, kind=pb.PAYLOAD_KIND_TEXT, pts=[7])
    data = _field(2, header.SerializeToString() + _field(16, b"old") + _field(16, "ein Bär, 熊".encode()))
    _assert_same(_read(data, offer), chunk)


@pytest.mark.parametrize("case", ["rgb", "i420", "sound", "tensor"])
def test_reading_copies_nothing_and_gives_nothing_to_write_on(case: str) -> None:
    offer, chunk = CASES[case]
    data = _encode(offer, chunk)
    raw = wire.parse_chunk(data)  # as for all but the smallest messages
    assert raw is not None
    match payloads.read_chunk(raw, offer).payload:
        case Frames(pixels=array) | Sound(samples=array) | Tensor(array=array):
            assert np.shares_memory(array, np.frombuffer(data, np.uint8))
            assert not array.flags.writeable
        case other:
            pytest.fail(f"got {other}")


def test_writing_hands_over_the_frames_own_memory() -> None:
    frames = _frames(RGB, 2)
    pieces = payloads.pieces(frames)
    assert np.shares_memory(np.asarray(pieces[0]), frames.pixels)


def test_frames_of_another_size_than_offered_say_so_in_their_header() -> None:
    small = replace(RGB, width=2, height=2)
    offer = Offer(0, PayloadKind.FRAMES, RGB)
    chunk = Chunk(0, _frames(small, 2))
    _assert_same(_read(_encode(offer, chunk), offer), chunk)


def test_drops_travel_with_the_stage_that_made_them() -> None:
    offer = CASES["rgb"][0]
    dropped = (Dropped(3, DropReason.TRIMMED, 0, 2), Dropped(1, DropReason.LATE, 3, 3, "generator"))
    got = _read(_encode(offer, Chunk(0, None, dropped)), offer)
    assert got == Chunk(0, None, (replace(dropped[0], stage="editor"), dropped[1]))


@KINDS
def test_credit_costs_the_same_before_and_after_the_wire(case: str) -> None:
    offer, chunk = CASES[case]
    raw = wire.parse_chunk(_encode(offer, chunk))
    assert raw is not None
    assert raw.cost == payloads.cost(chunk) >= 1
    assert case not in ("rgb", "i420") or raw.cost == chunk.frame_count


def test_messages_that_are_no_chunk_are_read_as_what_they_are() -> None:
    credit = rpc.ProcessRequest(credit=rpc.Credit(track=1, total=99))
    assert wire.parse(credit.SerializeToString(), rpc.ProcessRequest) == credit


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x12",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x12\x05ab",
        b"\xff" * 40,
        b"\x12\x02\x00\x00",
    ],
)
def test_bytes_that_are_no_message_are_an_invalid_argument(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        wire.parse(data, rpc.ProcessRequest)


def test_a_message_cut_anywhere_is_refused_or_a_shorter_one_never_a_crash() -> None:
    offer, chunk = CASES["rgb"]
    data = _encode(offer, chunk)
    for length in range(len(data)):
        with pytest.raises(InvalidArgument):
            wire.parse(data[:length], rpc.ProcessRequest)
