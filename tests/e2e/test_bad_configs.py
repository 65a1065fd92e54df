"""Every config that cannot be is refused by its status and reason, whichever stage refuses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from reelwire.errors import ReelwireError
from reelwire.server import Server
from reelwire.testing import loopback
from reelwire.v1.config_pb2 import EncoderConfig, GeneratorConfig
from reelwire.v1.pipeline_pb2 import ProcessRequest
from tests.e2e.callers import (
    calling,
    config,
    factories,
    left_alone,
)
from tests.e2e.deeds import (
    Case,
    Deed,
    opening,
    refused,
    sized,
    ticking,
    track,
)

LONG_NAME = "ü" * 20_000
CASES: dict[str, Case] = {
    "8192x8192": (
        opening(sized(8192, 8192)), "RESOURCE_EXHAUSTED", "TOO_LARGE",
        "8192x8192 is 67108864 pixels, at most 33177600; scale it down.*REELWIRE_MAX_FRAME_PIXELS",
    ),
    "one frame larger than a message": (
        opening(sized(4096, 4096)), "RESOURCE_EXHAUSTED", "TOO_LARGE", "50331648 bytes.*MAX_MESSAGE_BYTES",
    ),
    "a size of nothing": (opening(sized(0, 48)), "INVALID_ARGUMENT", "BAD_PAYLOAD", "0x48: expected 1 to"),
    "a track that cannot be": (
        opening(track(16)), "INVALID_ARGUMENT", "INVALID_ARGUMENT", "track 16: expected 0 to 15",
    ),
    "a route without this stage": (
        opening(config("encoder")), "INVALID_ARGUMENT", "BAD_PARAMETER", "this service is generator: name it",
    ),
    "a stage that is not known": (
        opening(config("generator", "encoda")), "INVALID_ARGUMENT", "BAD_PARAMETER", 'did you mean "encoder"',
    ),
    "a parameter out of range": (
        opening(config(chunk_frames=65)), "INVALID_ARGUMENT", "BAD_PARAMETER", "is 65; expected 0 to 64",
    ),
    "a number that is none": (
        opening(config(start_timeout_s=float("nan"))), "INVALID_ARGUMENT", "BAD_PARAMETER", "is nan",
    ),
    "a stage's parameter out of range": (
        opening(config(generator=GeneratorConfig(strength=1.5))), "INVALID_ARGUMENT", "BAD_PARAMETER",
        "1.5.*expected 0 to 1",
    ),
    "a model that is not known": (
        opening(config(generator=GeneratorConfig(model="identiti"))), "NOT_FOUND", "UNKNOWN_MODEL",
        'model "identiti" not found; did you mean "identity"',
    ),
    "a name longer than a trailer": (
        opening(config(generator=GeneratorConfig(model=LONG_NAME))), "NOT_FOUND", "UNKNOWN_MODEL",
        r'model "ü+ \[…\] .*available: ',
    ),
    "a backend that is not known": (
        opening(config(generator=GeneratorConfig(backend="abacus"))), "INVALID_ARGUMENT", "BAD_PARAMETER",
        'backend "abacus" not found',
    ),
    "a stream id that no log should hold": (
        opening(config(stream_id="a\nb")), "INVALID_ARGUMENT", "BAD_PARAMETER", "at most 64 of A-Z",
    ),
    "a time base that no library counts": (
        opening(ticking(2**40)), "INVALID_ARGUMENT", "INVALID_ARGUMENT",
        "1/1099511627776 is finer than .*; expected at most 2147483647",
    ),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services() -> AsyncIterator[dict[str, Server]]:
    """A generator and an encoder with one slot each, which all cases here are done to."""
    async with loopback(factories("generator", "encoder"), {"stream_slots": 1}) as servers:
        yield servers


@pytest.mark.parametrize(("deed", "code", "reason", "text"), CASES.values(), ids=CASES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_config_that_cannot_be_is_refused_and_harms_no_other_stream(
    services: dict[str, Server], deed: Deed, code: str, reason: str, text: str
) -> None:
    await refused(services, deed, code, reason, text)


ENCODER_CASES: dict[str, tuple[dict[str, Any], str]] = {
    "codec": ({"video": {"codec": "h263"}}, 'video codec "h263" not found; did you mean "h264"'),
    "preset": ({"video": {"preset": "veryfst"}}, 'did you mean "veryfast"'),
    "quality": ({"video": {"quality": 99}}, "quality of libx264 is 99; expected 0 to 51"),
    "bit rate": ({"video": {"bitrate_bps": 1}}, "bitrate_bps is 1; expected 10000 to 200000000"),
    "container": ({"container": "avi"}, 'streamable container "avi" not found'),
}


@pytest.mark.parametrize(("wrong", "text"), ENCODER_CASES.values(), ids=ENCODER_CASES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_later_stages_refusal_reaches_the_caller_as_it_is(
    services: dict[str, Server], wrong: dict[str, Any], text: str
) -> None:
    async with left_alone(services):
        async with calling(services["generator"]) as (call,):
            stream = config("generator", "encoder", encoder=EncoderConfig(**wrong))
            await call.send(ProcessRequest(config=stream))
            error = await call.ending()
        assert isinstance(error, ReelwireError)
        assert (error.code, error.reason, error.stage) == ("INVALID_ARGUMENT", "BAD_PARAMETER", "encoder")
        assert text in error.message
