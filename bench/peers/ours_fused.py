"""Ours in one process: a source and a reader, two services that hand frames over as the runtime decides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bench.load import Load, Meter, Work
from bench.peers.ours import STAGE
from bench.service import ReadingFactory
from reelwire.cli.processes import HOST
from reelwire.client import connect
from reelwire.hosted import Service
from reelwire.media import Chunk, Frames, Offer, PayloadKind
from reelwire.memory import keep_freed_buffers
from reelwire.server import Server
from reelwire.settings import load_settings
from reelwire.stage import Opened, Opening, PassThrough
from reelwire.v1.config_pb2 import Policy, StreamConfig

NAME = "ours"
NEEDS = ()
ECHOES = False
SOURCE = "preprocess"


class SourceStage(PassThrough):
    """Gives the load's frames, one a chunk."""

    damaged_frames = 0
    idle_us = 0

    def __init__(self, work: Work, load: Load) -> None:
        self._video = work.video
        self._load = load

    @property
    def source_frames(self) -> int:
        """As many as the load has given."""
        return self._load.sent

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """Nothing comes in."""
        raise AssertionError(f"a source was fed track {chunk.track}")

    def flush(self) -> Iterable[Chunk]:
        """All of them."""
        for sent_ns, pixels in self._load.frames():
            yield Chunk(0, Frames(self._video, (sent_ns,), pixels[None]))


class SourceFactory:
    """For one stream."""

    name = SOURCE

    def __init__(self, work: Work, load: Load) -> None:
        self._stage = SourceStage(work, load)
        self._offer = Offer(0, PayloadKind.FRAMES, work.video, (work.video.layout,))

    def open(self, opening: Opening) -> Opened:
        """Takes nothing, gives frames."""
        opening.negotiate((self._offer,))
        return Opened(self._stage, ())

    def close(self) -> None:
        """Nothing to free."""


def produce(work: Work, load: Load, meter: Meter, address: str) -> str:
    """The whole of it."""
    del address
    keep_freed_buffers()
    return asyncio.run(_stream(work, load, meter))


async def _stream(work: Work, load: Load, meter: Meter) -> str:
    reader = ReadingFactory(STAGE, echo=False, tell=lambda read: meter.took_ns.extend(read.took_ns))
    config = StreamConfig(route=[SOURCE, STAGE], policy=Policy.POLICY_LOSSLESS, chunk_frames=1)
    source = SourceFactory(work, load)
    server = Server([Service(lambda settings: source), Service(lambda settings: reader)], load_settings())
    await server.start()
    try:
        async with (
            connect({SOURCE: f"{HOST}:{server.port}"}) as reelwire,
            reelwire.stream(config) as stream,
        ):
            await stream.ready()
            async for _ in stream.chunks():
                pass
            return stream.told.accepted[STAGE].transport
    finally:
        await server.stop()
