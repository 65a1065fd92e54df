"""A process that makes others by forking, which starts them in no time: services that write every pixel, and
a client that runs a stream when it is told to.

``python -m tests.contracts.chain_process``: a line of JSON on standard input for each process, its number on
standard output. None is left when that input ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

from reelwire.client import connect
from reelwire.client.stream import Stream
from reelwire.errors import ReelwireError
from reelwire.hop.checks import STAGES
from reelwire.media import Chunk, Frames, Offer, PayloadKind
from reelwire.memory import keep_freed_buffers
from reelwire.server import Service, main
from reelwire.testing import frames, small_video
from reelwire.v1.config_pb2 import StreamConfig
from tests.contracts.places import Inverting
from tests.reelwire.hop.stages import StageOf

VIDEO = small_video(640, 360)  # 691,200 bytes a frame


def endless(count: int) -> Iterator[Frames]:
    """As many frames; -1: without end."""
    (picture,) = frames(1, VIDEO)
    pts = 0
    while pts != count:
        yield Frames(VIDEO, (pts,), picture.pixels)
        pts += 1


async def send(stream: Stream, count: int) -> None:
    for each in endless(count):
        await stream.send(Chunk(0, each))
    await stream.end()


async def run(address: str, count: int) -> str:
    """One stream; how it ended."""
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
    expected = next(iter(endless(-1))).pixels
    try:
        async with connect({STAGES[0]: address}) as reelwire:
            async with reelwire.stream(StreamConfig(route=STAGES), (offer,)) as stream:
                await stream.ready()
                places = {each.transport for each in stream.told.accepted.values()}
                sender = asyncio.create_task(send(stream, count))
                came = 0
                try:
                    async for chunk in stream.chunks():
                        same = isinstance(chunk.payload, Frames) and chunk.payload.pts == (came,)
                        if not same or not (chunk.payload.pixels[0, ::8, ::8] == expected[0, ::8, ::8]).all():
                            return "WRONG FRAME"
                        came += 1
                finally:
                    sender.cancel()
                    await asyncio.gather(sender, return_exceptions=True)
        return "OK " + " ".join(sorted(places)) if came == count else "FRAMES MISSING"
    except ReelwireError as error:
        return error.code


async def client(address: str, socket: str) -> None:
    """Reads how many frames a stream is to have, and writes how it ended; until the other side has gone."""
    reader, writer = await asyncio.open_unix_connection(socket)
    while line := await reader.readline():
        ended = await run(address, int(line))
        gc.collect()  # a program of any size does so now and then
        writer.write(f"{ended}\n".encode())
        await writer.drain()


def become(role: str, arguments: list[str]) -> int:
    if role == "client":
        keep_freed_buffers()
        asyncio.run(client(*arguments))
        return 0
    return main(Service(lambda settings: StageOf(role, Inverting)))


def make() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the system does
    for line in sys.stdin.buffer.raw:  # unbuffered: what is read here a child does not have
        asked = json.loads(line)
        number = os.fork()
        if number:
            print(number, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.environ.update(asked["environment"])
        with suppress(KeyboardInterrupt):
            os._exit(become(asked["role"], asked["arguments"]))
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    make()
