"""Every wrong message has its status, its reason and a text that says what is expected; harming no other."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from reelwire.errors import ReelwireError
from reelwire.server import Server
from reelwire.testing import loopback
from reelwire.v1 import media_pb2 as media
from reelwire.v1.config_pb2 import GeneratorConfig
from reelwire.v1.pipeline_pb2 import Control, Credit, ProcessRequest, Release
from tests.e2e.callers import (
    VIDEO,
    active,
    calling,
    chunk,
    config,
    end,
    factories,
    left_alone,
    settles,
    unharmed,
)
from tests.e2e.deeds import (
    NAN,
    TENSOR,
    Case,
    Deed,
    first,
    half_close,
    messages,
    nothing_at_all,
    offering,
    refused,
)
from tests.reelwire.models import graphs

BYTES = media.PAYLOAD_KIND_CONTAINER_BYTES
CASES: dict[str, Case] = {
    "no config": (nothing_at_all, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "without a config; send a Stream"),
    "a chunk first": (first(chunk(0)), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "is chunk; expected config"),
    "an End first": (first(end()), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "is end; expected config"),
    "an empty message first": (first(b""), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "without a message"),
    "bytes that are no message": (
        first(b"\xff" * 9), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "9 bytes are not a ProcessRequest",
    ),
    "bytes later that are no message": (
        messages(b"\x12\xff"), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "2 bytes are not a ProcessRequest",
    ),
    "a config twice": (
        messages(ProcessRequest(config=config())), "FAILED_PRECONDITION", "CONFIG_TWICE", "open another",
    ),
    "half-close without End": (half_close, "CANCELLED", "CANCELLED", "without End.*nothing is finalised"),
    "a payload of a wrong length": (
        messages(chunk(0, data=bytes(100))), "INVALID_ARGUMENT", "BAD_PAYLOAD",
        f"payload of 100 bytes for 1 frames of 64x48 RGB24; expected {VIDEO.frame_bytes}",
    ),
    "frames of no frame": (
        messages(chunk(0, pts=[])), "INVALID_ARGUMENT", "BAD_PAYLOAD", "0 frames.*at least one frame",
    ),
    "another size in mid-stream": (
        messages(chunk(0, video=media.VideoFormat(width=2, height=-1))), "INVALID_ARGUMENT", "BAD_PAYLOAD",
        "2x-1: expected 1 to",
    ),
    "pts going backwards": (
        messages(chunk(0), chunk(1, [5]), chunk(2, [4])), "INVALID_ARGUMENT", "PTS_NOT_INCREASING",
        "track 0: pts 4 after 5; expected above it",
    ),
    "pts that no library counts": (
        messages(chunk(0, [-(2**62)])), "INVALID_ARGUMENT", "BAD_PAYLOAD",
        "pts -4611686018427387904; expected at most 2305843009213693952 either way",
    ),
    "pts standing still in one chunk": (
        messages(chunk(0, [3, 3])), "INVALID_ARGUMENT", "PTS_NOT_INCREASING", "pts 3 after 3",
    ),
    "a gap in seq": (messages(chunk(0), chunk(2)), "ABORTED", "SEQUENCE_BROKEN", "2 came, expected 1"),
    "a seq repeated": (messages(chunk(0), chunk(0)), "ABORTED", "SEQUENCE_BROKEN", "0 came, expected 1"),
    "a chunk without credit": (
        messages(*(chunk(at // 9, [*range(at, at + 9)]) for at in range(0, 90, 9))),
        "INVALID_ARGUMENT", "INVALID_ARGUMENT", "without credit: .* of .* used",
    ),
    "a chunk on a track that was not offered": (
        messages(chunk(0, track=5)), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "track 5, which was not offered",
    ),
    "a chunk after its End": (
        messages(chunk(0), end(), chunk(1)), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "track 0 after its End",
    ),
    "an End twice": (
        messages(chunk(0), end(), end()), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "which is not open",
    ),
    "bytes under another kind's name": (
        messages(chunk(0, kind=BYTES)), "INVALID_ARGUMENT", "BAD_PAYLOAD", "kind 4; expected FRAMES",
    ),
    "a header that is a payload": (
        messages(chunk(0, trace=[media.Span(stage="x" * 70_000)])), "RESOURCE_EXHAUSTED", "TOO_LARGE",
        "header of 70... bytes; expected at most 65536",
    ),
    "a payload in a slot": (
        messages(ProcessRequest(chunk=media.Chunk(kind=1, pts=[0], slot=media.SlotRef(ring="r")))),
        "INVALID_ARGUMENT", "BAD_SLOT", 'ring "r", which is not shared on this stream',
    ),
    "NaN in a float tensor": (
        offering(TENSOR, ProcessRequest(chunk=NAN)), "INVALID_ARGUMENT", "BAD_PAYLOAD",
        'tensor "depth" holds NaN or infinity; expected finite',
    ),
    "a message that is too large": (
        messages(chunk(0, [*range(4000)])), "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED", "larger than max",
    ),
    "a release of no slot": (
        messages(ProcessRequest(release=Release(ring="r"))), "INVALID_ARGUMENT", "BAD_SLOT",
        "not handed over",
    ),
    "credit for a track that cannot be": (
        messages(ProcessRequest(credit=Credit(track=99, total=1))), "INVALID_ARGUMENT", "INVALID_ARGUMENT",
        "credit for track 99; expected 0 to 15",
    ),
    "a control for a stage that is not there": (
        messages(ProcessRequest(control=Control(stage="editor"))), "INVALID_ARGUMENT", "INVALID_ARGUMENT",
        'control for "editor"; expected one of generator',
    ),
    "a control that changes nothing here": (
        messages(ProcessRequest(control=Control(stage="generator", strength=0.5))), "INVALID_ARGUMENT",
        "BAD_PARAMETER", "no model runs in this stream.*set generator.model",
    ),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services() -> AsyncIterator[dict[str, Server]]:
    """A generator and an encoder with one slot each, which all cases here are done to."""
    async with loopback(factories("generator", "encoder"), {"stream_slots": 1}) as servers:
        yield servers


@pytest.mark.parametrize(("deed", "code", "reason", "text"), CASES.values(), ids=CASES)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_wrong_is_named_and_harms_no_other_stream(
    services: dict[str, Server], deed: Deed, code: str, reason: str, text: str
) -> None:
    await refused(services, deed, code, reason, text)


async def test_a_model_that_gives_nan_ends_its_stream_alone(tmp_path: Path) -> None:
    graphs.poisoned(tmp_path / "poisoned" / "model.onnx")
    async with unharmed(factories("generator", models=tmp_path)) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=config(generator=GeneratorConfig(model="poisoned"))))
            await call.until("credit")
            await call.send(chunk(0, [41]))
            error = await call.ending()
        assert isinstance(error, ReelwireError)
        assert (error.code, error.reason, error.stage) == (
            "FAILED_PRECONDITION", "MODEL_UNUSABLE", "generator",
        )  # fmt: skip
        assert re.search(r'"poisoned" gave NaN or infinity for the frame at pts 41; expected', error.message)
    assert call.summary is not None
    (accounts,) = call.summary.stages
    assert (accounts.in_frames, accounts.out_frames, accounts.failed_frames) == (1, 0, 1)


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_no_damaged_message_is_an_internal_error(services: dict[str, Server]) -> None:
    """Three bytes of a good config or chunk are changed, two hundred times; the seed is fixed."""
    random = np.random.default_rng(11)
    enough = ProcessRequest(credit=Credit(track=0, total=1000))
    async with left_alone(services):
        for number in range(200):
            whole = [ProcessRequest(config=config()).SerializeToString(), chunk(0).SerializeToString()]
            victim = bytearray(whole[number % 2])
            for place in random.integers(0, min(len(victim), 80), 3):
                victim[place] = random.integers(256)
            whole[number % 2] = bytes(victim)
            async with calling(services["generator"]) as (call,):
                await call.send(whole[0], enough, whole[1], end())
                await call.half_close()
                error = await call.ending()
            assert error is None or error.code not in ("INTERNAL", "UNKNOWN"), (number, error.message)
            await settles("slots taken", lambda: active("generator"), 0)
