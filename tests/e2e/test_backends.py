"""A backend that was asked for by name is that one or an error with the fix, and the process lives."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from reelwire.cli.group import Group, running_services
from reelwire.client import connect
from reelwire.engines.registry import BACKEND_NAMES, backend
from reelwire.errors import BackendMissing, DeviceMissing
from reelwire.media import Chunk, Offer, PayloadKind
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig
from tests.e2e.callers import VIDEO, frames

PROBED = {name: backend(name).probe() for name in BACKEND_NAMES}
MISSING = [name for name, told in PROBED.items() if not told.ok]
ON_CPU = [name for name, told in PROBED.items() if told.ok and told.device == "cpu"]
COUNT = 3
TIMES = 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def group() -> AsyncIterator[Group]:
    """A generator, a process of its own."""
    async with running_services(("generator",)) as group:
        yield group


async def stream(group: Group, name: str) -> PinnedModel:
    """A few frames through a model; what it was pinned to."""
    config = StreamConfig(route=["generator"])
    config.generator.model, config.generator.backend = "identity", name
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
    async with connect(group.addresses) as reelwire, reelwire.stream(config, (offer,)) as opened:
        await opened.ready()
        for each in frames(COUNT, VIDEO, chunk_frames=1):
            await opened.send(Chunk(0, each))
        await opened.end()
        assert sum([each.frame_count async for each in opened.chunks()]) == COUNT
        accepted = await opened.answered
        summary = opened.summary
        assert summary is not None
        assert list(summary.stages[0].models) == list(accepted.models)
        (pinned,) = accepted.models
        return pinned


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.asyncio(loop_scope="module")
async def test_one_that_cannot_run_here_is_refused_with_the_fix_and_the_process_lives(
    group: Group, name: str
) -> None:
    process = psutil.Process(group.services["generator"].process.pid)
    expected = DeviceMissing if PROBED[name].installed else BackendMissing
    assert expected.code in ("UNIMPLEMENTED", "FAILED_PRECONDITION")
    for _ in range(TIMES):
        with pytest.raises(expected) as caught:
            await stream(group, name)
        assert PROBED[name].problem in caught.value.message
        assert f"fix: {PROBED[name].fix}" in caught.value.message
        assert "\n" not in caught.value.message
    assert process.is_running()
    assert process.pid == group.services["generator"].process.pid
    await stream(group, "onnxruntime")


@pytest.mark.parametrize("name", ON_CPU)
@pytest.mark.asyncio(loop_scope="module")
async def test_one_that_can_is_what_runs_and_what_the_stream_is_told(group: Group, name: str) -> None:
    pinned = await stream(group, name)
    assert (pinned.backend, pinned.device, pinned.stage) == (name, "cpu", "generator")
    assert pinned.precision == "fp32"
