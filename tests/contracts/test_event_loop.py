"""No work on the event loop: neither a stage's compute nor a touch of a payload above 64 KiB, on any way that
ships. Stages and services are found by listing."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import mmap
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelwire import testing
from reelwire.client import Reelwire, connect, connect_blocking, sinks, source
from reelwire.hop.checks import STAGES
from reelwire.hop.filler import Filler
from reelwire.hop.place import INLINE, SHARED_MEMORY, Place
from reelwire.hop.rings import pixel_policy
from reelwire.hop.timing import Outgoing
from reelwire.media import Chunk, ContainerBytes, Frames, Offer, PayloadKind, Sound, SoundFormat
from reelwire.server import Service
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.testing import IdentityFactory, addresses_of, frames, loopback, small_video
from reelwire.v1.config_pb2 import StreamConfig
from services.preprocess.probe import Probing
from services.preprocess.spool import Spool
from tests.contracts.loop_guard import LoopGuard
from tests.contracts.loop_stage import LoopFactory
from tests.contracts.watched_memory import CAN_WATCH

pytestmark = pytest.mark.skipif(not CAN_WATCH, reason="memory can be watched on Linux only")

LARGE = small_video(320, 240)  # 230,400 bytes a frame
COUNT = 12
SERVICES: dict[str, Service] = {
    stage: importlib.import_module(f"services.{stage}.__main__").SERVICE for stage in STAGES
}
TEST_FACTORIES = [
    factory
    for _, factory in inspect.getmembers(testing, inspect.isclass)
    if factory.__module__ == testing.__name__ and {"open", "close"} <= vars(factory).keys()
]
PLACES = (SHARED_MEMORY, INLINE)
ROUTES = [STAGES[first:last] for first in range(4) for last in range(first + 1, 5) if first < last]


@pytest.fixture
def guard() -> Iterator[LoopGuard]:
    with LoopGuard() as guard:
        guard.never_on_loop(Spool, "append", "reader", "close")
        guard.never_on_loop(Probing, "take", "answer", "close")
        guard.never_on_loop(source, "_next_piece")
        for sink in (sinks.ByteSink, sinks.MuxerSink, sinks.PipeSink):
            guard.never_on_loop(sink, "__init__", "write", "complete", "abort")
        yield guard


@asynccontextmanager
async def serving(
    guard: LoopGuard, services: Iterable[Service | StageFactory], place: str = "auto"
) -> AsyncIterator[dict[str, str]]:
    """Addresses of the services, which the guard sees; ``place``: as REELWIRE_PIXELS."""
    seen = [guard.service(each) if isinstance(each, Service) else guard.factory(each) for each in services]
    async with loopback(seen, {"pixels": place}) as servers:
        yield addresses_of(servers)


def pictures(guard: LoopGuard, arrange: Callable[[Any], Any] = lambda pixels: pixels) -> Iterator[Frames]:
    for each in frames(COUNT, LARGE):
        each = replace(each, pixels=arrange(each.pixels))
        guard.watch(Chunk(0, each))
        yield each


def look_at(chunk: Chunk) -> int:
    """As a user would: every byte."""
    return int(chunk.payload.pixels.sum()) if isinstance(chunk.payload, Frames) else 0


async def carry(reelwire: Reelwire, stream: StreamConfig, given: Iterable[Frames]) -> int:
    """Frames there, and whatever comes back; how many chunks that is."""
    count = 0
    offer = Offer(0, PayloadKind.FRAMES, LARGE, (LARGE.layout,))
    async with reelwire.stream(stream, (offer,)) as opened:
        await opened.ready()

        async def send() -> None:
            for each in given:
                await opened.send(Chunk(0, each))
            await opened.end()

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            async for chunk in opened.chunks():
                count += 1
                await asyncio.to_thread(look_at, chunk)
    return count


def config_for(route: Iterable[str]) -> StreamConfig:
    """Each stage that a route has is given something to do."""
    stream = StreamConfig(route=route)
    if "preprocess" in stream.route:
        stream.preprocess.width, stream.preprocess.height = 352, 288
    if "generator" in stream.route:
        stream.generator.model = "identity"
    if "editor" in stream.route:
        stream.editor.effects.add(name="grade").params.update({"contrast": 1.2})
    if "encoder" in stream.route:
        stream.encoder.video.preset = "ultrafast"
    return stream


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("route", ROUTES, ids="-".join)
async def test_frames_through_the_services_are_never_worked_on_or_touched_by_a_loop(
    guard: LoopGuard, route: tuple[str, ...], place: str
) -> None:
    pixels = pixel_policy(Settings(pixels=place))
    async with (
        serving(guard, [SERVICES[stage] for stage in route], place) as addresses,
        connect(addresses, pixels) as reelwire,
    ):
        assert await carry(reelwire, config_for(route), pictures(guard)) >= COUNT
    assert guard.found == []
    assert guard.touches >= COUNT * len(route)
    assert {
        f"{stage}.{call}" for stage in route for call in ("open", "feed", "flush", "close")
    } <= guard.calls


@pytest.mark.parametrize("factory", TEST_FACTORIES, ids=lambda factory: factory.__name__)
async def test_stages_for_tests_keep_the_rule_as_well(guard: LoopGuard, factory: Any) -> None:
    async with serving(guard, [factory("editor")]) as addresses, connect(addresses) as reelwire:
        await carry(reelwire, StreamConfig(route=["editor"]), pictures(guard))
    assert guard.found == []
    assert guard.touches >= COUNT


@pytest.mark.parametrize("ending", ["mp4", "ts"])
async def test_a_file_through_all_services_leaves_the_loops_alone(
    guard: LoopGuard, tmp_path: Path, ending: str
) -> None:
    clip = testing.write_clip(tmp_path / "clip.mkv", width=320, height=240)
    stream = config_for(STAGES)
    stream.encoder.container = "mpegts" if ending == "ts" else ""
    async with serving(guard, SERVICES.values()) as addresses, connect(addresses) as reelwire:
        await reelwire.process_file(clip, tmp_path / f"out.{ending}", stream)
    assert guard.found == []
    assert {"_next_piece", "append", "reader", "write", "complete"} <= names(guard)


async def test_an_upload_in_large_pieces_is_copied_elsewhere(guard: LoopGuard, tmp_path: Path) -> None:
    clip = testing.write_clip(tmp_path / "clip.mkv")
    offer = Offer(0, PayloadKind.CONTAINER_BYTES, source.UPLOADED[0].format)
    stream = StreamConfig(route=["preprocess"])
    stream.input.upload.name = clip.name
    padded = clip.read_bytes() + bytes(1 << 20)
    async with serving(guard, [SERVICES["preprocess"]]) as addresses, connect(addresses) as reelwire:
        async with reelwire.stream(stream, (offer,)) as opened:
            await opened.send(guard.watch(Chunk(0, ContainerBytes(padded))))
            await opened.end()
            await opened.ready()
            assert [chunk async for chunk in opened.chunks()]
    assert guard.found == []
    assert guard.touches


async def test_frames_that_lie_in_no_one_piece_are_gathered_elsewhere(guard: LoopGuard) -> None:
    async with serving(guard, [IdentityFactory("editor")]) as addresses, connect(addresses) as reelwire:
        mirrored = pictures(guard, lambda pixels: pixels[:, :, ::-1])
        assert await carry(reelwire, StreamConfig(route=["editor"]), mirrored) == COUNT
    assert guard.found == []
    assert guard.touches >= COUNT


async def test_sound_that_comes_back_is_looked_at_elsewhere(guard: LoopGuard) -> None:
    stereo = SoundFormat(48000, "stereo", 2, Fraction(1, 48000))
    offer = Offer(0, PayloadKind.SOUND, stereo)
    samples = np.zeros((48000, 2), np.float32)
    async with serving(guard, [IdentityFactory("editor")]) as addresses, connect(addresses) as reelwire:
        async with reelwire.stream(StreamConfig(route=["editor"]), (offer,)) as opened:
            await opened.ready()
            for index in range(COUNT):
                await opened.send(
                    guard.watch(Chunk(0, Sound(stereo, index * 48000, samples + index / COUNT)))
                )
            await opened.end()
            assert len([chunk async for chunk in opened.chunks()]) == COUNT
    assert guard.found == []
    assert guard.touches >= COUNT


def test_the_blocking_sdk_leaves_its_loop_alone(guard: LoopGuard) -> None:
    async def serve(ask: Callable[[dict[str, str]], None]) -> None:
        async with serving(guard, [SERVICES["editor"]]) as addresses:
            await asyncio.to_thread(ask, addresses)

    def ask(addresses: dict[str, str]) -> None:
        with connect_blocking(addresses) as reelwire:
            for each in reelwire.process_frames(pictures(guard), LARGE, config_for(["editor"])):
                look_at(Chunk(0, each))

    asyncio.run(serve(ask))
    assert guard.found == []
    assert guard.touches >= 2 * COUNT


async def test_listings_and_probes_are_answered_on_threads(
    guard: LoopGuard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clip = testing.write_clip(tmp_path / "clip.mkv")
    clip.write_bytes(clip.read_bytes() + bytes(3 << 20))
    read = source._next_piece
    monkeypatch.setattr(source, "_next_piece", lambda *how: guard.watch_bytes(read(*how)))
    async with serving(guard, SERVICES.values()) as addresses, connect(addresses) as reelwire:
        await asyncio.gather(reelwire.models(), reelwire.effects(), reelwire.formats(), reelwire.probe(clip))
    assert guard.found == []
    assert {"take", "answer", "close", "ListModels", "ListEffects", "ListFormats"} <= names(guard)


def names(guard: LoopGuard) -> set[str]:
    return {call.rpartition(".")[2] for call in guard.calls}


async def test_a_stage_that_works_on_the_loop_is_found(guard: LoopGuard) -> None:
    async with loopback([LoopFactory(guard)]) as servers, connect(addresses_of(servers)) as reelwire:
        await carry(reelwire, StreamConfig(route=["editor"]), pictures(guard))
    assert set(guard.found) == {"editor.feed ran on an event loop"}


async def test_payloads_that_are_copied_on_the_loop_are_found(
    guard: LoopGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_here(filler: Filler, item: Outgoing, place: Place) -> None:
        item.kept = place.keep(item.chunk.payload)
        filler._on_ready()

    monkeypatch.setattr(Filler, "add", fill_here)
    async with serving(guard, [IdentityFactory("editor")]) as addresses, connect(addresses) as reelwire:
        await carry(reelwire, StreamConfig(route=["editor"]), pictures(guard))
    assert len(guard.found) >= COUNT
    assert all("a payload was touched on an event loop by" in each for each in guard.found)


COPIES: dict[str, Callable[[Any], Any]] = {
    "join": lambda pixels: b"".join((b"header", pixels.data.cast("B"))),
    "tobytes": lambda pixels: pixels.tobytes(),
    "slices": lambda pixels: np.empty_like(pixels).__setitem__(slice(None), pixels),
    "into a mapping": lambda pixels: mmap.mmap(-1, pixels.nbytes).write(pixels),
    "a sum": lambda pixels: pixels.sum(),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
async def test_whatever_touches_a_payload_is_found_on_a_loop_and_nowhere_else(
    guard: LoopGuard, copy: Callable[[Any], Any]
) -> None:
    (each,) = frames(1, LARGE)
    guard.watch(Chunk(0, each))
    await asyncio.to_thread(copy, each.pixels)
    assert (guard.found, guard.touches) == ([], 1)
    copy(each.pixels)
    assert len(guard.found) == 1
    assert guard.touches == 1
