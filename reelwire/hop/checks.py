"""What a service demands of a config before it takes a stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from reelwire.choices import choose_from
from reelwire.errors import BadParameter, Cancelled, DeadlineExceeded, InvalidArgument
from reelwire.hop.place import Wire
from reelwire.settings import Settings
from reelwire.v1.config_pb2 import Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import ProcessRequest
from reelwire.wire import RawChunk, parse

STAGES = ("preprocess", "generator", "editor", "encoder")
_STREAM_ID = re.compile(r"[A-Za-z0-9._-]{0,64}")
_RANGES = (
    ("chunk_frames", 0, 64),
    ("credit_chunks", 0, 64),
    ("start_timeout_s", 0, 600),
    ("latency_budget_ms", 0, 60_000),
)


async def read_config(requests: AsyncIterator[Wire], stage: str, settings: Settings) -> StreamConfig:
    """The first message. InvalidArgument: it is no config, or one that cannot be; Cancelled: none came."""
    try:
        data = await asyncio.wait_for(anext(requests), settings.start_timeout_s)
    except StopAsyncIteration:
        raise InvalidArgument(
            "the stream ended without a config; send a StreamConfig first", field="config"
        ) from None
    except TimeoutError:
        raise DeadlineExceeded(
            f"no config came within {settings.start_timeout_s:g} s; send a StreamConfig first", field="config"
        ) from None
    message = data if isinstance(data, RawChunk) else parse(data, ProcessRequest)
    if isinstance(message, RawChunk) or message.WhichOneof("message") != "config":
        kind = "chunk" if isinstance(message, RawChunk) else message.WhichOneof("message")
        raise InvalidArgument(f"the first message is {kind}; expected config", field="config")
    check_config(message.config, stage)
    return message.config


def check_config(config: StreamConfig, stage: str) -> None:
    """InvalidArgument, BadParameter: something in it can never work, whatever the stages say."""
    if not _STREAM_ID.fullmatch(config.stream_id):
        raise BadParameter(
            f"stream_id {config.stream_id!r}: expected at most 64 of A-Z a-z 0-9 . _ -", field="stream_id"
        )
    route = tuple(config.route)
    for name in route:
        if name not in STAGES:
            raise BadParameter(choose_from("stage", name, STAGES), field="route")
    if len(set(route)) != len(route):
        raise BadParameter(f"route {' → '.join(route)} names a stage twice", field="route")
    if stage not in route:
        raise BadParameter(
            f"route {' → '.join(route) or 'is empty'}; this service is {stage}: name it in the route",
            field="route",
        )
    for name, least, most in _RANGES:
        value = getattr(config, name)
        if not least <= value <= most:
            raise BadParameter(f"{name} is {value:g}; expected {least} to {most}", field=name)
    if config.policy not in (
        Policy.POLICY_UNSPECIFIED,
        Policy.POLICY_LOSSLESS,
        Policy.POLICY_LIVE,
    ):
        raise BadParameter(f"policy {config.policy} is unknown; expected LOSSLESS or LIVE", field="policy")
    if config.checkpoint_frames:
        raise BadParameter(
            f"checkpoint_frames is {config.checkpoint_frames}; this version takes 0 only (no recovery)",
            field="checkpoint_frames",
        )
    tracks = [offer.track for offer in config.offers]
    if len(set(tracks)) != len(tracks):
        raise InvalidArgument(f"offers name a track twice: {tracks}", field="offers")


def stage_after(config: StreamConfig, stage: str) -> str | None:
    """The next stage of the route; None at its end."""
    route = list(config.route)
    rest = route[route.index(stage) + 1 :]
    return rest[0] if rest else None


def stages_after(config: StreamConfig, stage: str) -> int:
    """How many stages of the route follow."""
    return len(config.route) - list(config.route).index(stage) - 1


def check_still_there(ended: bool) -> None:
    """Cancelled: the request side was closed before every track had ended."""
    if not ended:
        raise Cancelled("the caller closed its side without End on every track; nothing is finalised")
