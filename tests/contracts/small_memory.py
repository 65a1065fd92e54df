"""A stream through four services where shared memory is a file system of a few megabytes: run with the
folder, the pin and how full it is, in a mount namespace of its own; prints what became of it, as JSON.

``python -m tests.contracts.small_memory FOLDER PIN {never,before,amid}``
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reelwire.client import connect
from reelwire.errors import ReelwireError
from reelwire.hop.checks import STAGES
from reelwire.hop.rings import PixelPolicy
from reelwire.media import Frames, Offer, PayloadKind
from reelwire.testing import addresses_of, frames, loopback
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Notice
from tests.contracts.places import VIDEO, Inverting, carry, same
from tests.reelwire.hop.stages import StageOf

COUNT = 40


def fill(folder: Path) -> None:
    """To the last byte."""
    with (folder / "full").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def given(folder: Path, full: str) -> Iterator[Frames]:
    for each in frames(COUNT, VIDEO):
        if full == "amid" and each.pts[0] == COUNT // 2:
            fill(folder)
        yield each


async def run(folder: Path, pin: str, full: str) -> dict[str, Any]:
    if full == "before":
        fill(folder)
    chain = [StageOf(stage, Inverting) for stage in STAGES]
    settings = {"shm_dir": folder, "pixels": pin or "auto"}
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
    async with loopback(chain, settings) as servers:
        async with connect(addresses_of(servers), PixelPolicy(pin, folder)) as reelwire:
            try:
                async with reelwire.stream(StreamConfig(route=STAGES), (offer,)) as stream:
                    back = await carry(stream, given(folder, full))
                    whole = same(back, frames(COUNT, VIDEO))
            except ReelwireError as error:
                return {"code": error.code, "reason": error.reason, "text": error.message}
            degraded = [each for each in stream.told.notices if each.kind == Notice.KIND_DEGRADED]
            assert stream.summary is not None
            return {
                "whole": whole,
                "degraded": {each.stage: each.text for each in degraded},
                "places": [stage.transport for stage in stream.summary.stages],
                "accounts": [[stage.in_frames, stage.out_frames] for stage in stream.summary.stages],
            }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))))
