"""A service process's end: it never waits for a stage that waits for it, and says when one is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

import pytest

from reelwire import front
from reelwire.media import Chunk
from reelwire.server import Server, Service
from reelwire.settings import Settings
from reelwire.testing import IdentityStage
from reelwire.v1.pipeline_pb2 import ProcessRequest
from tests.e2e.callers import LIVENESS_S, active, calling, chunk, config, settles
from tests.reelwire.hop.stages import StageOf


@pytest.mark.parametrize("in_time", [True, False])
async def test_a_stage_in_the_middle_of_its_work_neither_blocks_the_stop_nor_is_forgotten(
    in_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, go_on = threading.Event(), threading.Event()

    class Busy(IdentityStage):
        def feed(self, given: Chunk) -> Iterable[Chunk]:
            working.set()
            go_on.wait(LIVENESS_S)
            return super().feed(given)

    monkeypatch.setattr(front, "CUT_S", LIVENESS_S if in_time else 0.0)
    factory = StageOf("generator", Busy)
    server = Server([Service(lambda settings: factory)], Settings(drain_s=0.0))
    await server.start()
    async with calling(server) as (call,):
        await call.send(ProcessRequest(config=config()))
        await call.until("credit")
        await call.send(chunk(0))
        await settles("stages that do not work yet", lambda: not working.is_set(), 0)
        stopping = asyncio.create_task(server.stop())
        if in_time:
            go_on.set()
        assert await asyncio.wait_for(stopping, LIVENESS_S) is in_time
        go_on.set()
        await settles("workers", lambda: active("generator"), 0)
