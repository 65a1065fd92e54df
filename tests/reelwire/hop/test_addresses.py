"""A hop with several addresses: before a stream is accepted, the next is tried where one is full or gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reelwire import metrics
from reelwire.client import connect
from reelwire.errors import NoSlot, Unavailable
from reelwire.media import Offer, PayloadKind
from reelwire.stage import Opened, Opening
from reelwire.testing import (
    IdentityFactory,
    IdentityStage,
    addresses_of,
    loopback,
    small_video,
    write_clip,
)
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Control, ProcessRequest
from services.preprocess.__main__ import SERVICE as PREPROCESS
from tests.e2e.callers import calling, config, through

NOBODY = "127.0.0.1:9"
ROUTE = ("generator", "editor")
VIDEO = small_video()
LIVENESS_S = 50.0  # below a lane's own patience


class Noting(IdentityStage):
    """Notes its controls."""

    def __init__(self, heard: list[Control]) -> None:
        self._heard = heard

    def control(self, control: Control) -> None:
        self._heard.append(control)


class Hears(IdentityFactory):
    """A generator, and what it was told."""

    def __init__(self) -> None:
        super().__init__("generator")
        self.heard: list[Control] = []

    def open(self, opening: Opening) -> Opened:
        return Opened(Noting(self.heard), opening.negotiate(opening.offers))


def tried(outcome: str) -> float:
    """Streams to the editor that were taken elsewhere, by why."""
    labels = {"stage": "editor", "outcome": outcome}
    return metrics.REGISTRY.get_sample_value("reelwire_recoveries_total", labels) or 0.0


@pytest.mark.parametrize("full", [False, True], ids=["gone", "full"])
async def test_a_stream_goes_to_the_next_address_where_the_first_is(full: bool) -> None:
    reason = "no_slot" if full else "unavailable"
    before = tried(reason)
    async with loopback([IdentityFactory("editor")], {"stream_slots": 1}) as first:
        async with loopback([IdentityFactory("editor")]) as second:
            there = [addresses_of(first)["editor"] if full else NOBODY, addresses_of(second)["editor"]]
            known = {"editor_addr": ",".join(there)}
            async with loopback([IdentityFactory("generator")], known) as servers:
                async with calling(first["editor"]) as (holder,):
                    await holder.send(ProcessRequest(config=config("editor")))
                    await holder.until("credit")
                    back = await through(addresses_of(servers), StreamConfig(route=ROUTE))
    assert sum(each.frame_count for each in back) == 10
    assert tried(reason) - before == 1


async def test_the_last_address_says_why_and_whoever_waits_for_chunks_hears_it_too() -> None:
    before = tried("failed")
    known = {"editor_addr": f"{NOBODY},{NOBODY}"}
    async with loopback([IdentityFactory("generator")], known) as servers:
        with pytest.raises(Unavailable, match=r"editor at 127\.0\.0\.1:9 is not there"):
            await through(addresses_of(servers), StreamConfig(route=ROUTE))
    assert tried("failed") - before == 1


async def test_the_sdk_tries_its_first_hop_too() -> None:
    async with loopback([IdentityFactory("generator")], {"stream_slots": 1}) as servers:
        address = addresses_of(servers)["generator"]
        stream = StreamConfig(route=["generator"])
        assert len(await through({"generator": f"{NOBODY},{address}"}, stream)) == 10
        async with calling(servers["generator"]) as (holder,):
            await holder.send(ProcessRequest(config=config()))
            await holder.until("credit")
            with pytest.raises(NoSlot):
                await through({"generator": f"{address},{address}"}, stream)


async def test_a_control_from_before_the_stream_was_accepted_reaches_the_address_that_takes_it() -> None:
    told = Control(stage="generator", strength=0.5)
    hears = Hears()
    async with loopback([hears]) as servers:
        address = addresses_of(servers)["generator"]
        async with connect({"generator": f"{NOBODY},{address}"}) as reelwire:
            offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
            async with reelwire.stream(StreamConfig(route=["generator"]), (offer,)) as stream:
                await stream.control(told)
                await stream.ready()
                await stream.end()
                async for _ in stream.chunks():
                    pass
    assert hears.heard == [told]


async def test_an_upload_of_which_some_is_sent_is_not_continued_at_another_address(tmp_path: Path) -> None:
    clip, target = write_clip(tmp_path / "clip.mp4"), tmp_path / "out.mkv"
    stream = StreamConfig(route=["preprocess", "generator", "encoder"])
    async with loopback([PREPROCESS], {"generator_addr": NOBODY}) as servers:
        address = addresses_of(servers)["preprocess"]
        async with connect({"preprocess": f"{address},{address}"}) as reelwire:
            with pytest.raises(Unavailable, match=r"generator at 127\.0\.0\.1:9 is not there"):
                await asyncio.wait_for(reelwire.process_file(clip, target, stream), LIVENESS_S)
