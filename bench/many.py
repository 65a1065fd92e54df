"""The client process of ``bench.streams``: many streams at once on one event loop.

    python -m bench.many ADDRESS PID '{"streams": 8, "width": 320, "height": 180, "seconds": 4}'

PID: the service's. Prints one line of JSON: frames that came back to each stream in the window, and their
round trips.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from bench.load import POOL_FRAMES, Work, cpu_s, noise, read_every_byte
from bench.peers.ours import STAGE, wait_until_serving
from bench.report import percentile
from reelwire.client import Stream, connect
from reelwire.media import Chunk, Frames, Offer, PayloadKind, Pixels, read_only
from reelwire.memory import keep_freed_buffers
from reelwire.v1.config_pb2 import Policy, StreamConfig

WARM_FRAMES = 4  # back on each stream before the clock starts


@dataclass(frozen=True)
class Crowd:
    """How many streams, of what, for how long."""

    streams: int
    width: int
    height: int
    seconds: float

    @property
    def work(self) -> Work:
        """Of one stream."""
        return Work(self.width, self.height, "RGB24", 0, self.seconds, echo=True)


class Echo:
    """One stream: sends under credit until it is told to stop, reads what comes back."""

    def __init__(self, stream: Stream, work: Work, pool: list[Pixels]) -> None:
        self._stream = stream
        self._video = work.video
        self._pool = pool
        self.back = 0
        self.warm = asyncio.Event()
        self.heard = asyncio.Event()
        self.stopped = False
        self.round_trips_ns: list[tuple[int, int]] = []  # when it came back, and how long it took

    async def send(self) -> None:
        """Each frame's pts is the nanosecond of its sending."""
        count = 0
        while not self.stopped:
            pixels = self._pool[count % len(self._pool)]
            await self._stream.send(Chunk(0, Frames(self._video, (time.monotonic_ns(),), pixels[None])))
            count += 1
        await self._stream.end()

    async def receive(self) -> None:
        """Until the stream has ended."""
        async for chunk in self._stream.chunks():
            assert isinstance(chunk.payload, Frames)
            read_every_byte(chunk.payload.pixels)
            now = time.monotonic_ns()
            self.round_trips_ns.append((now, now - chunk.payload.pts[0]))
            self.back += 1
            self.heard.set()
            if self.back == WARM_FRAMES:
                self.warm.set()


async def run(address: str, pid: int, crowd: Crowd) -> dict[str, Any]:
    """All streams open, then the window, then the end. Raises what a stage raised."""
    work, pids = crowd.work, (os.getpid(), pid)
    pool = [read_only(pixels) for pixels in noise(work)][:POOL_FRAMES]
    offer = Offer(0, PayloadKind.FRAMES, work.video, (work.video.layout,))
    config = StreamConfig(route=[STAGE], policy=Policy.POLICY_LOSSLESS, chunk_frames=1)
    async with connect({STAGE: address}) as reelwire, AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(reelwire.stream(config, (offer,))) for _ in range(crowd.streams)
        ]
        await asyncio.gather(*(stream.ready() for stream in streams))
        echoes = [Echo(stream, work, pool) for stream in streams]
        async with asyncio.TaskGroup() as tasks:
            for echo in echoes:
                tasks.create_task(echo.send())
                tasks.create_task(echo.receive())
            await asyncio.gather(*(echo.warm.wait() for echo in echoes))
            window = await _window(echoes, crowd.seconds, pids)
            for echo in echoes:
                echo.stopped = True
        return {**window, "place": streams[0].told.accepted[STAGE].transport}


async def _window(echoes: list[Echo], seconds: float, pids: tuple[int, ...]) -> dict[str, Any]:
    """Longer than ``seconds`` only where a stream had nothing back in that time."""
    before, from_ns, cpu_from_s = [echo.back for echo in echoes], time.monotonic_ns(), cpu_s(pids)
    for echo in echoes:
        echo.heard.clear()
    await asyncio.sleep(seconds)
    await asyncio.gather(*(echo.heard.wait() for echo in echoes))
    after, to_ns, cpu_to_s = [echo.back for echo in echoes], time.monotonic_ns(), cpu_s(pids)
    trips = [trip for echo in echoes for at, trip in echo.round_trips_ns if from_ns <= at <= to_ns]
    return {
        "frames": [late - early for early, late in zip(before, after, strict=True)],
        "seconds": (to_ns - from_ns) / 1e9,
        "cpu_s": cpu_to_s - cpu_from_s,
        "p50_ms": percentile(trips, 50) / 1e6,
        "p99_ms": percentile(trips, 99) / 1e6,
    }


def main(address: str, pid: str, crowd: str) -> None:
    """Runs once."""
    keep_freed_buffers()
    wait_until_serving(address)
    print(json.dumps(asyncio.run(run(address, int(pid), Crowd(**json.loads(crowd))))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
