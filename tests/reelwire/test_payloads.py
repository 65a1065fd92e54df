"""Payloads that are not what their format says are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from reelwire import payloads, wire
from reelwire.errors import BadPayload
from reelwire.v1 import media_pb2 as pb
from tests.reelwire.test_wire import CASES
from tests.reelwire.test_wire import raw_chunk as _raw

FRAMES, SOUND, PACKETS = pb.PAYLOAD_KIND_FRAMES, pb.PAYLOAD_KIND_SOUND, pb.PAYLOAD_KIND_PACKETS
TEXT, TENSOR, SIDE_DATA = pb.PAYLOAD_KIND_TEXT, pb.PAYLOAD_KIND_TENSOR, pb.PAYLOAD_KIND_SIDE_DATA
NAN, INFINITY = np.float32("nan").tobytes(), np.float32("inf").tobytes()


def _tensor(dtype: str, *shape: int) -> pb.TensorInfo:
    return pb.TensorInfo(dtype=dtype, shape=shape, name="t")


@pytest.mark.parametrize(
    ("case", "raw", "words"),
    [
        (
            "rgb",
            _raw(b"x" * 71, kind=FRAMES, pts=[1]),
            "71 bytes for 1 frames of 6x4 RGB24; expected 72",
        ),
        ("rgb", _raw(b"x" * 72, kind=FRAMES, pts=[1, 2]), "expected 144"),
        ("rgb", _raw(b"", kind=FRAMES), "at least one frame"),
        ("rgb", _raw(b"x" * 72, kind=SOUND, pts=[1]), "expected FRAMES"),
        ("rgb", _raw(b"x" * 72, kind=FRAMES, pts=[1], keyframes=[1]), "indexes of 1 pts"),
        ("rgb", _raw(b"x" * 72, kind=FRAMES, pts=[1], keyframes=[-1]), "indexes of 1 pts"),
        ("i420", _raw(b"x" * 72, kind=FRAMES, pts=[1]), "expected 36"),
        ("sound", _raw(b"x" * 12, kind=SOUND, pts=[1]), "multiple of 8"),
        ("sound", _raw(b"x" * 8, kind=SOUND), "one pts"),
        ("sound", _raw(b"x" * 8, kind=SOUND, pts=[1, 2]), "one pts"),
        ("sound", _raw(NAN * 2, kind=SOUND, pts=[1]), "NaN or infinity"),
        ("sound", _raw(INFINITY * 2, kind=SOUND, pts=[1]), "NaN or infinity"),
        (
            "packets",
            _raw(b"abc", kind=PACKETS, pts=[1], packets=[pb.PacketInfo(size_bytes=4)]),
            "do not agree",
        ),
        ("packets", _raw(b"abc", kind=PACKETS, packets=[pb.PacketInfo(size_bytes=3)]), "do not agree"),
        (
            "packets",
            _raw(
                b"abc",
                kind=PACKETS,
                pts=[1, 2],
                packets=[pb.PacketInfo(size_bytes=-3), pb.PacketInfo(size_bytes=6)],
            ),
            "do not agree",
        ),
        ("tensor", _raw(NAN, kind=TENSOR, pts=[1], tensor=_tensor("float32", 1)), "NaN or infinity"),
        ("tensor", _raw(b"abcd", kind=TENSOR, pts=[1], tensor=_tensor("float32", 2)), "4 bytes"),
        (
            "tensor",
            _raw(b"abcd", kind=TENSOR, pts=[1], tensor=_tensor("float32", -1)),
            "lengths of 0 or more",
        ),
        (
            "tensor",
            _raw(b"", kind=TENSOR, pts=[1], tensor=_tensor("float32", 2**62, 4)),
            "exactly the bytes",
        ),
        (
            "tensor",
            _raw(b"abcdefgh", kind=TENSOR, pts=[1], tensor=_tensor("object", 1)),
            '"object" is unknown',
        ),
        ("tensor", _raw(b"abcd", kind=TENSOR, pts=[1], tensor=_tensor("i2,i2", 1)), "is unknown"),
        (
            "tensor",
            _raw(b"abcd", kind=TENSOR, pts=[1, 2], tensor=_tensor("int32", 1)),
            "TENSOR with 2 pts",
        ),
        ("text", _raw(b"\xff\xfe", kind=TEXT, pts=[1]), "UTF-8"),
        ("side data", _raw(b"{}", kind=SIDE_DATA, pts=[1, 2]), "SIDE_DATA with 2 pts"),
    ],
)
def test_a_payload_that_is_not_what_its_format_says_is_refused(
    case: str, raw: wire.RawChunk, words: str
) -> None:
    with pytest.raises(BadPayload, match=words):
        payloads.read_chunk(raw, CASES[case][0])
