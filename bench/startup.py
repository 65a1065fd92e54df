"""How long a generator takes from its start to its first frame out: its engine chosen anew, and as before.

    python -m bench.startup [--json] [--rounds 5] [--size 640x360] [--model restyle]

A process is started, one frame is sent as soon as it serves, and the clock stops when that frame is back.
Twice a round: with an empty cache folder, so that ``auto`` measures which engine is best, and with the same
folder again. Exit status 1 where the slowest start took longer than 5 s.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from bench.report import Report, Row, say
from exporters.sizes import size_of
from reelwire.cli.group import running_services
from reelwire.client import connect
from reelwire.errors import ReelwireError
from reelwire.media import Chunk, Frames, Offer, PayloadKind, VideoFormat, read_only
from reelwire.v1.config_pb2 import StreamConfig

LIMIT_S = 5.0
EMPTY, KEPT = "choice measured, s", "choice kept, s"


async def start(model: str, video: VideoFormat, cache: str) -> tuple[float, str]:
    """Seconds to the first frame, and what ran it. SystemExit: no frame came back."""
    pixels = np.random.default_rng(1).integers(0, 256, (1, *video.frame_shape), np.uint8)
    config = StreamConfig(route=["generator"])
    config.generator.model, config.generator.backend = model, "auto"
    offer = Offer(0, PayloadKind.FRAMES, video, (video.layout,))
    began = time.perf_counter()
    environment = {"REELWIRE_CACHE_DIR": cache, "REELWIRE_BACKEND": "auto", "REELWIRE_PRECISION": ""}
    took_s = 0.0
    async with (
        running_services(("generator",), environment=environment) as group,
        connect(group.addresses) as reelwire,
        reelwire.stream(config, (offer,)) as stream,
    ):
        await stream.ready()
        await stream.send(Chunk(0, Frames(video, (0,), read_only(pixels))))
        await stream.end()
        async for chunk in stream.chunks():
            if isinstance(chunk.payload, Frames) and not took_s:
                took_s = time.perf_counter() - began
        (pinned,) = (await stream.answered).models
    if not took_s:
        raise SystemExit("the frame did not come back; no figure")
    return took_s, f"{pinned.backend} {pinned.precision}"


async def measure(model: str, video: VideoFormat, rounds: int) -> Report:
    """``rounds`` of both."""
    rows = {name: Row(name) for name in (EMPTY, KEPT)}
    chosen = set()
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            for name, row in rows.items():
                took_s, engine = await start(model, video, cache)
                say(f"round {number + 1} of {rounds}: {name[:-3]}: {took_s:.2f} s, {engine}")
                row.values.append(took_s)
                chosen.add(engine)
    settings = {
        "model": model,
        "size": f"{video.width}x{video.height}",
        "chosen": " or ".join(sorted(chosen)),
    }
    slowest = max(value for row in rows.values() for value in row.values)
    ratios = {"slowest start / limit": slowest / LIMIT_S}
    return Report(list(rows.values()), ratios, {**settings, "limit_s": LIMIT_S})


def read_command_line(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """``video``, the model and how often."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--rounds", type=int, default=5, help="of two starts each")
    add("--size", type=size_of, default="640x360", help="WIDTHxHEIGHT of the frame")
    add("--model", default="restyle", help="what runs it")
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error("--rounds is at least 1")
    height, width = given.size
    given.video = VideoFormat(width, height, Fraction(1, 25))
    return given


def main() -> None:
    """The command line."""
    given = read_command_line()
    try:
        report = asyncio.run(measure(given.model, given.video, given.rounds))
    except ReelwireError as error:
        raise SystemExit(f"{error.stage or 'reelwire'}: {error.message}") from None
    report.print(as_json=given.json)
    if (missed := report.ratios["slowest start / limit"]) > 1:
        say(f"failed: the slowest start took {missed * LIMIT_S:.1f} s, the limit is {LIMIT_S:g} s")
        sys.exit(1)


if __name__ == "__main__":
    main()
