"""What a bad caller does, and how it must end."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from reelwire import metrics
from reelwire.errors import ReelwireError
from reelwire.server import Server
from reelwire.v1 import media_pb2 as media
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import ProcessRequest
from tests.e2e.callers import RawCall, calling, chunk, config, left_alone

Case = tuple["Deed", str, str, str]
Deed = Callable[[RawCall], Awaitable[None]]


def messages(*wrong: ProcessRequest | bytes) -> Deed:
    """A good config, its credit awaited, then what is wrong."""

    async def deed(call: RawCall) -> None:
        await call.send(ProcessRequest(config=config()))
        await call.until("credit")
        await call.send(*wrong)

    return deed


def opening(stream: StreamConfig) -> Deed:
    """A config that is wrong."""

    async def deed(call: RawCall) -> None:
        await call.send(ProcessRequest(config=stream))

    return deed


def first(*wrong: ProcessRequest | bytes) -> Deed:
    """Not a config."""

    async def deed(call: RawCall) -> None:
        await call.send(*wrong)

    return deed


async def nothing_at_all(call: RawCall) -> None:
    await call.half_close()


async def half_close(call: RawCall) -> None:
    await messages(chunk(0))(call)
    await call.half_close()


def offering(offer: media.Offer, wrong: ProcessRequest) -> Deed:
    """Another track beside the picture, and a chunk on it."""
    stream = config()
    stream.offers.append(offer)

    async def deed(call: RawCall) -> None:
        await call.send(ProcessRequest(config=stream))
        await call.until("credit")
        await call.until("credit")
        await call.send(wrong)

    return deed


def sized(width: int, height: int) -> StreamConfig:
    stream = config()
    stream.offers[0].video.width, stream.offers[0].video.height = width, height
    return stream


def ticking(times_a_second: int) -> StreamConfig:
    stream = config()
    time_base = media.Rational(num=1, den=times_a_second)
    stream.offers[0].video.time_base.CopyFrom(time_base)
    return stream


def track(number: int) -> StreamConfig:
    stream = config()
    stream.offers[0].track = number
    return stream


TENSOR = media.Offer(track=1, kind=media.PAYLOAD_KIND_TENSOR)
NAN = media.Chunk(
    track=1,
    kind=media.PAYLOAD_KIND_TENSOR,
    pts=[0],
    tensor=media.TensorInfo(dtype="float32", shape=[2], name="depth"),
    data=np.array([1, np.nan], "<f4").tobytes(),
)


async def refused(services: Mapping[str, Server], deed: Deed, code: str, reason: str, text: str) -> None:
    """The generator ends the stream by this code and reason, says this, and is unharmed."""
    async with left_alone(services):
        before = ended(code)
        async with calling(services["generator"]) as (call,):
            await deed(call)
            error = await call.ending()
        assert isinstance(error, ReelwireError)
        assert (error.code, error.reason) == (code, reason), error.message
        assert re.search(text, error.message, re.DOTALL), error.message
        assert len(error.message.encode()) < 2000
    if reason != "RESOURCE_EXHAUSTED":  # the library itself refuses a message that is too large
        assert error.stage == "generator"
        assert ended(code) - before == 1


def ended(code: str) -> float:
    """Streams of the generator that ended so."""
    labels = {"stage": "generator", "code": code}
    return metrics.REGISTRY.get_sample_value("reelwire_streams_total", labels) or 0.0
