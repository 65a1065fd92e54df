"""A new version of a model arrives under sixteen running streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from reelwire.client import Reelwire, Stream, connect
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout, Pixels
from reelwire.metrics import REGISTRY
from reelwire.server import Service
from reelwire.settings import Settings
from reelwire.testing import addresses_of, loopback, small_video
from reelwire.v1.config_pb2 import Policy, StreamConfig
from services.generator.stage import GeneratorFactory
from tests.reelwire.models import graphs

STREAMS = 16
VIDEO = small_video(32, 24)
BLACK = np.zeros((1, 24, 32, 3), np.uint8)
LIVENESS_S = 120.0


def version(folder: Path, number: int) -> Path:
    """A version that gives black frames the level of its number."""
    return graphs.gain(folder / "net" / str(number) / "model.onnx", shift=number / 255)


class Talker:
    """One stream that runs: black frames go in until it is told to stop; keeps the level of each that comes
    back."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._levels: list[int] = []
        self._sent = 0
        self._stop = False
        self._more = asyncio.Event()
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]

    async def _send(self) -> None:
        while not self._stop:
            await self._stream.send(Chunk(0, Frames(VIDEO, (self._sent,), BLACK)))
            self._sent += 1
        await self._stream.end()

    async def _receive(self) -> None:
        async for chunk in self._stream.chunks():
            assert isinstance(chunk.payload, Frames)
            self._levels += [level_of(pixels) for pixels in chunk.payload.pixels]
            self._more.set()

    async def hear(self, count: int = 3) -> None:
        """Until this many more frames came back."""
        until = len(self._levels) + count
        while len(self._levels) < until:
            self._more.clear()
            await self._more.wait()

    async def finish(self) -> set[int]:
        """Ends it; every frame came back, none dropped, none failed. Gives the versions that made them."""
        self._stop = True
        await asyncio.gather(*self._tasks)
        summary = self._stream.summary
        assert summary is not None
        (stage,) = summary.stages
        assert (stage.in_frames, stage.out_frames, stage.failed_frames) == (self._sent, self._sent, 0)
        assert len(self._levels) == self._sent
        return set(self._levels)


def level_of(pixels: Pixels) -> int:
    """The one level of a picture that is one level, as black frames through these models are."""
    low, high = int(pixels.min()), int(pixels.max())
    assert low == high
    return low


@asynccontextmanager
async def generator(folder: Path) -> AsyncIterator[Reelwire]:
    """The real service, looking for new versions all the time."""
    settings = {
        "model_path": str(folder),
        "model_poll_s": 0.02,
        "stream_slots": 2 * STREAMS,
        "backend": "onnxruntime",
    }
    service = Service(lambda _: GeneratorFactory(Settings(**settings)))  # type: ignore[arg-type]
    async with loopback([service], settings) as servers, connect(addresses_of(servers)) as reelwire:
        yield reelwire


async def talkers(reelwire: Reelwire, stack: AsyncExitStack, count: int) -> list[Talker]:
    """Streams that run."""
    config = StreamConfig(route=["generator"], policy=Policy.POLICY_LOSSLESS)
    config.generator.model = "net"
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (PixelLayout.RGB24,))
    streams = [await stack.enter_async_context(reelwire.stream(config, (offer,))) for _ in range(count)]
    await asyncio.gather(*(stream.ready() for stream in streams))
    return [Talker(stream) for stream in streams]


def counted(outcome: str) -> float:
    """Versions offered or refused so far."""
    return (
        REGISTRY.get_sample_value("reelwire_model_versions_total", {"model": "net", "outcome": outcome}) or 0
    )


async def until_counted(outcome: str, above: float, running: Talker) -> None:
    """Until the watcher has met one more, while a stream goes on."""
    while counted(outcome) <= above:
        await running.hear(1)


async def all_hear(streams: list[Talker]) -> None:
    """Each goes on."""
    await asyncio.gather(*(talker.hear() for talker in streams))


@pytest.mark.slow
async def test_a_hot_swap_under_sixteen_streams_loses_no_frame_and_mixes_no_versions(tmp_path: Path) -> None:
    version(tmp_path, 1)
    async with asyncio.timeout(LIVENESS_S), generator(tmp_path) as reelwire, AsyncExitStack() as stack:
        first = await talkers(reelwire, stack, STREAMS)
        await all_hear(first)
        offered = counted("offered")
        version(tmp_path, 2)
        await until_counted("offered", offered, first[0])
        second = await talkers(reelwire, stack, STREAMS)
        await all_hear([*first, *second])
        assert [await talker.finish() for talker in first] == [{1}] * STREAMS
        assert [await talker.finish() for talker in second] == [{2}] * STREAMS


@pytest.mark.slow
async def test_a_corrupt_version_under_sixteen_streams_leaves_all_as_it_was_and_shows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = version(tmp_path, 1)
    async with asyncio.timeout(LIVENESS_S), generator(tmp_path) as reelwire, AsyncExitStack() as stack:
        running = await talkers(reelwire, stack, STREAMS)
        await all_hear(running)
        refused = counted("refused")
        corrupt = tmp_path / "net" / "2" / "model.onnx"
        corrupt.parent.mkdir()
        corrupt.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
        await until_counted("refused", refused, running[0])
        await all_hear(running)
        (late,) = await talkers(reelwire, stack, 1)
        await late.hear()
        assert [await talker.finish() for talker in (*running, late)] == [{1}] * (STREAMS + 1)
    assert any("is refused, what was offered goes on" in line for line in caplog.messages)
