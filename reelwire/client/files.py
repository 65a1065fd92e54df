"""A file in, a file out: upload, progress, and a target that is either complete or not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from reelwire.client.report import make_report
from reelwire.client.sinks import open_sink
from reelwire.client.source import Source, find_source
from reelwire.client.stream import Stream
from reelwire.errors import BadParameter, Internal, ReelwireError
from reelwire.media import Chunk, Offer, Packets
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Notice, Summary

PIPE = "-"
PIPE_CONTAINER = "matroska"


class OpenStream(Protocol):
    """As ``Reelwire.stream``."""

    def __call__(self, config: StreamConfig, offers: Sequence[Offer] = ()) -> Stream: ...


@dataclass(frozen=True)
class Progress:
    """How far a file is. ``expected_frames`` is 0 where the input does not say."""

    phase: str
    out_frames: int = 0
    expected_frames: int = 0
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
        return make_report(self.summary, wall_s=self.wall_s, stream_id=self.stream_id)


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
        self._target = None if str(target) == PIPE else Path(target)
        self._config = StreamConfig()
        self._config.CopyFrom(config)
        self._on_progress = on_progress
        self._source = self._choose_source(source)
        self._start = time.monotonic()
        self._out_frames = 0
        if self._target is None and not self._config.encoder.container:
            self._config.encoder.container = PIPE_CONTAINER

    def _choose_source(self, name: str | Path) -> Source:
        if self._config.input.WhichOneof("source") == "text":
            return Source(self._config.input)
        source = find_source(name)
        self._config.input.CopyFrom(source.input)
        return source

    async def run(self, *, overwrite: bool) -> FileResult:
        """To the end. Raises what a stage raised; the target is left alone then."""
        self._check_target(overwrite)
        self._say("waiting for the services")
        async with self._open_stream(self._config, self._source.offers) as stream:
            sending = asyncio.create_task(self._source.upload(stream))
            try:
                await self._sent_or_failed(stream, sending)
                await self._receive(stream)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        if stream.summary is None:
            raise Internal("the stream ended without a summary")
        return FileResult(
            self._target,
            stream.summary,
            time.monotonic() - self._start,
            stream.told.notices,
            self._config.stream_id,
        )

    def _check_target(self, overwrite: bool) -> None:
        if self._target is None:
            return
        if "encoder" not in self._config.route:
            raise BadParameter("a file needs the encoder; add it to the route", field="route")
        if self._target.exists() and not overwrite:
            raise BadParameter(f"{self._target} exists; --force (overwrite=True) replaces it", field="target")
        if not self._target.parent.is_dir():
            raise BadParameter(f"folder {self._target.parent} does not exist", field="target")

    def _say(self, phase: str, expected_frames: int = 0) -> None:
        elapsed_s = time.monotonic() - self._start
        self._on_progress(Progress(phase, self._out_frames, expected_frames, elapsed_s))

    async def _sent_or_failed(self, stream: Stream, sending: asyncio.Task[None]) -> None:
        """An upload that a service refuses must not wait for credit that will never come."""
        if self._source.path is not None:
            self._say(f"uploading {self._source.path.name}")
            with suppress(ReelwireError):  # told by ready(), with the service's own words
                await asyncio.wait({sending, stream.answered}, return_when=asyncio.FIRST_COMPLETED)
        self._say("starting the pipeline")
        await stream.ready()

    async def _receive(self, stream: Stream) -> None:
        returns = stream.returns
        expected = max((offer.expected_frames for offer in returns), default=0)
        self._say("running", expected)
        sink = await asyncio.to_thread(open_sink, self._target, returns, stream.told.models, self._config)
        try:
            async with aclosing(stream.chunks()) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(sink.write, chunk)
                    self._count(chunk, returns)
                    self._say("running", expected)
            await asyncio.to_thread(sink.finish)
        except BaseException:
            await asyncio.to_thread(sink.abort)
            raise

    def _count(self, chunk: Chunk, returns: Sequence[Offer]) -> None:
        if chunk.track == returns[0].track and isinstance(chunk.payload, Packets):
            self._out_frames += chunk.frame_count
