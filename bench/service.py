"""A service of the benchmarks: the runtime as it ships, over a stage that only reads, or gives back, frames.

    python -m bench.service read|echo|identity [--stage generator]

Settings come from the environment, as for every service, but for the port: it takes a free one and prints its
address as a line of JSON when it can be reached. ``read`` reads every byte and gives nothing back
until the stream ends, when it accounts for all frames as trimmed; ``echo`` reads and gives back; ``identity``
gives back unread. The first two print another line when a stream has ended: when each frame was read.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from bench.load import Meter, print_address
from reelwire.cli.group import free_ports
from reelwire.cli.processes import HOST, POLL_S
from reelwire.media import Chunk, Dropped, DropReason, Frames
from reelwire.server import Service, main
from reelwire.stage import Opened, Opening, PassThrough, StageFactory
from reelwire.testing import IdentityFactory


class ReadingStage(PassThrough):
    """Reads every byte of every frame. A pts is the nanosecond of sending."""

    def __init__(self, echo: bool, tell: Callable[[Meter], None]) -> None:
        self._meter = Meter()
        self._echo = echo
        self._tell = tell
        self._kept: list[int] = []  # pts of the first and the newest frame
        self._count = 0

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """Nothing, or the same chunk."""
        frames = chunk.payload
        assert isinstance(frames, Frames)
        for pts, pixels in zip(frames.pts, frames.pixels, strict=True):
            self._meter.took(pts, pixels)
        if self._echo:
            return (replace(chunk, dropped=()),)
        self._kept = [*self._kept[:1], frames.pts[-1]]
        self._count += len(frames)
        return ()

    def flush(self) -> Iterable[Chunk]:
        """One entry for all frames that were kept, so that the accounts close."""
        if self._count:
            yield Chunk(0, None, (Dropped(self._count, DropReason.TRIMMED, self._kept[0], self._kept[-1]),))

    def close(self) -> None:
        """Tells what was measured."""
        self._tell(self._meter)


class ReadingFactory:
    """``echo``: frames go back to where they came from. ``tell`` gets what a stream measured."""

    def __init__(self, name: str, *, echo: bool, tell: Callable[[Meter], None] = Meter.report) -> None:
        self.name = name
        self._echo = echo
        self._tell = tell

    def open(self, opening: Opening) -> Opened:
        """Takes what is offered."""
        return Opened(ReadingStage(self._echo, self._tell), opening.negotiate(opening.offers))

    def close(self) -> None:
        """Nothing to free."""


def factory_for(work: str, stage: str) -> StageFactory:
    """``read``, ``echo`` or ``identity`` under the name of a stage."""
    return IdentityFactory(stage) if work == "identity" else ReadingFactory(stage, echo=work == "echo")


def serve(work: str, stage: str) -> int:
    """Until it is told to stop; gives the exit status. Prints its address when it can be reached."""
    (port,) = free_ports(1)
    os.environ["REELWIRE_PORT"] = str(port)
    threading.Thread(target=_when_reachable, args=(port,), daemon=True).start()
    return main(Service(lambda settings: factory_for(work, stage)))


def _when_reachable(port: int) -> None:
    while True:
        try:
            socket.create_connection((HOST, port)).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            print_address(f"{HOST}:{port}")
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=str(__doc__).split("\n")[0])
    parser.add_argument("work", choices=("read", "echo", "identity"))
    parser.add_argument("--stage", default="generator", help="the name that it serves under")
    given = parser.parse_args()
    sys.exit(serve(given.work, given.stage))
