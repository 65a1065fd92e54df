"""A file in, a file out: upload, progress, and a target that is either complete or not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from reelwire.client.report import make_report
from reelwire.client.sinks import open_sink
from reelwire.client.source import Source, find_source
from reelwire.client.stream import Stream
from reelwire.client.target import STDOUT, prepare_target
from reelwire.client.writing import SinkThread
from reelwire.errors import Internal
from reelwire.media import Chunk, ContainerBytes, Offer, Packets
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Notice, Summary


class OpenStream(Protocol):
    """As ``Reelwire.stream``."""

    def __call__(self, config: StreamConfig, offers: Sequence[Offer] = ()) -> Stream: ...


@dataclass(frozen=True)
class Progress:
    """How far a file is. ``expected_frames`` is 0 where the input does not say. ``out_frames`` stays 0 where
    a container's bytes come back, which do not say how many frames they hold; ``out_bytes`` counts those."""

    phase: str
    out_frames: int = 0
    expected_frames: int = 0
    out_bytes: int = 0
    elapsed_s: float = 0.0


@dataclass
class FileResult:
    """What became of a file."""

    target: Path | None
    summary: Summary
    wall_s: float
    notices: list[Notice] = field(default_factory=list)
    stream_id: str = ""

    @property
    def report(self) -> dict[str, Any]:
        """As ``reelwire.client.report.make_report``."""
        return make_report(self.summary, self.notices, wall_s=self.wall_s, stream_id=self.stream_id)


class FileJob:
    """One run of ``Reelwire.process_file``."""

    def __init__(
        self,
        open_stream: OpenStream,
        source: str | Path,
        target: str | Path,
        config: StreamConfig,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._open_stream = open_stream
        self._target = None if str(target) == STDOUT else Path(target)
        self._config = StreamConfig()
        self._config.CopyFrom(config)
        self._on_progress = on_progress
        self._source = self._choose_source(source)
        self._start = time.monotonic()
        self._out_frames = self._out_bytes = 0

    def _choose_source(self, name: str | Path) -> Source:
        if self._config.input.WhichOneof("source") == "text":
            return Source(self._config.input)
        source = find_source(name)
        self._config.input.CopyFrom(source.input)
        return source

    async def run(self, *, overwrite: bool) -> FileResult:
        """To the end. Raises what a stage raised; the target is left alone then."""
        prepare_target(self._target, self._config, overwrite=overwrite)
        self._say("waiting for the services")
        async with SinkThread() as sink:
            stream = self._open_stream(self._config, self._source.offers)
            async with stream:
                await self._carry(stream, sink)
            if stream.summary is None:
                raise Internal("the stream ended without a summary", stage=self._config.route[0])
            sink.commit()
        return FileResult(
            self._target,
            stream.summary,
            time.monotonic() - self._start,
            stream.told.notices,
            stream.stream_id,
        )

    async def _carry(self, stream: Stream, sink: SinkThread) -> None:
        sending = asyncio.create_task(self._source.upload(stream))
        try:
            if self._source.path is not None:
                # An upload that a service refuses must not wait for credit that will never come.
                self._say(f"uploading {self._source.path.name}")
                await asyncio.wait({sending, stream.answered}, return_when=asyncio.FIRST_COMPLETED)
            self._say("starting the pipeline")
            await stream.ready()
            await self._receive(stream, sink)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _receive(self, stream: Stream, sink: SinkThread) -> None:
        returns = stream.returns
        expected = max((offer.expected_frames for offer in returns), default=0)
        self._say("running", expected)
        await sink.open(lambda: open_sink(self._target, returns, stream.told.models, self._config))
        async with aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                await sink.write(chunk)
                self._count(chunk, returns)
                self._say("running", expected)
        await sink.complete()

    def _count(self, chunk: Chunk, returns: Sequence[Offer]) -> None:
        if isinstance(chunk.payload, ContainerBytes):
            self._out_bytes += len(chunk.payload.data)
        elif isinstance(chunk.payload, Packets) and chunk.track == returns[0].track:
            self._out_frames += chunk.frame_count

    def _say(self, phase: str, expected_frames: int = 0) -> None:
        elapsed_s = time.monotonic() - self._start
        self._on_progress(Progress(phase, self._out_frames, expected_frames, self._out_bytes, elapsed_s))
