"""``python -m services.preprocess``"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor

from reelwire.errors import DeadlineExceeded
from reelwire.server import Service, UnaryCall, main
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.v1.pipeline_pb2 import ProbeRequest, ProbeResponse
from services.preprocess.probe import Probing
from services.preprocess.stage import PreprocessFactory

Probe = Callable[[AsyncIterator[ProbeRequest], Executor], Awaitable[ProbeResponse]]


def _probe(settings: Settings) -> Probe:
    async def probe(requests: AsyncIterator[ProbeRequest], executor: Executor) -> ProbeResponse:
        """Reads on the event loop, works on the executor: to free a large upload takes a while, too."""
        loop, probing = asyncio.get_running_loop(), Probing(settings)
        try:
            while (request := await _next(requests, settings.stall_timeout_s)) is not None:
                await loop.run_in_executor(executor, probing.take, request)
            return await loop.run_in_executor(executor, probing.answer)
        finally:
            await asyncio.shield(loop.run_in_executor(executor, probing.close))

    return probe


async def _next(requests: AsyncIterator[ProbeRequest], wait_s: float) -> ProbeRequest | None:
    """None: the caller has sent everything. DeadlineExceeded: it neither sends nor ends."""
    try:
        return await asyncio.wait_for(anext(requests, None), wait_s)
    except TimeoutError:
        raise DeadlineExceeded(
            f"nothing came for {wait_s:g} s (REELWIRE_STALL_TIMEOUT_S); send the input, then close"
        ) from None


def _calls(factory: StageFactory, settings: Settings) -> tuple[UnaryCall, ...]:
    del factory
    return (UnaryCall("Probe", ProbeRequest, ProbeResponse, _probe(settings), streams_in=True),)


SERVICE = Service(PreprocessFactory, _calls)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
