"""The same without asyncio."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reelwire.client import BlockingReelwire, Progress, connect_blocking
from reelwire.errors import Cancelled, InputDamaged, UnknownModel
from reelwire.media import Frames
from reelwire.testing import addresses_of, frames, loopback, small_video
from reelwire.v1.config_pb2 import StreamConfig
from tests.reelwire.client.running import LIVENESS_S, SERVICES, times_of, whole_route

VIDEO = small_video()


@pytest.fixture
def addresses() -> Iterator[dict[str, str]]:
    """Services on an event loop of their own, as if they were elsewhere."""
    serving: dict[str, str] = {}
    ready = threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async with loopback(SERVICES) as servers:
            serving.update(addresses_of(servers))
            ready.set()
            await stop.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    yield serving
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def reelwire(addresses: dict[str, str]) -> Iterator[BlockingReelwire]:
    """A script's connection."""
    with connect_blocking(addresses) as connection:
        yield connection


def test_a_script_processes_a_file(reelwire: BlockingReelwire, clip: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    target = tmp_path / "out.mp4"
    result = reelwire.process_file(clip, target, whole_route(), on_progress=told.append)
    assert len(times_of(target)) == 25
    assert told[-1].out_frames == 25
    assert [stage["stage"] for stage in result.report["stages"]] == [
        "preprocess",
        "generator",
        "editor",
        "encoder",
    ]


def test_a_script_sends_frames_and_reads_them_back(reelwire: BlockingReelwire) -> None:
    config = StreamConfig(route=["generator", "editor"])
    back = list(reelwire.process_frames(frames(10, VIDEO), VIDEO, config))
    sent = next(iter(frames(10, VIDEO, chunk_frames=10)))
    assert np.array_equal(np.concatenate([each.pixels for each in back]), sent.pixels)


def test_a_script_that_stops_reading_ends_the_stream(reelwire: BlockingReelwire) -> None:
    results = reelwire.process_frames(frames(100, VIDEO), VIDEO, StreamConfig(route=["generator"]))
    assert next(results).pts == (0,)
    results.close()  # type: ignore[attr-defined]
    assert len(list(reelwire.process_frames(frames(3, VIDEO), VIDEO, StreamConfig(route=["generator"])))) == 3


def test_a_script_lists_what_can_be_named(reelwire: BlockingReelwire, clip: Path) -> None:
    assert "identity" in {model.name for model in reelwire.models().models}
    assert "grade" in {effect.name for effect in reelwire.effects().effects}
    assert "h264" in {codec.codec for codec in reelwire.formats().codecs if codec.usable}
    probed = reelwire.probe(clip)
    assert [stream.codec for stream in probed.streams] == ["h264", "aac"]
    assert (probed.streams[0].width, probed.streams[0].height) == (64, 48)


def test_a_script_gets_the_errors_of_the_services(reelwire: BlockingReelwire, tmp_path: Path) -> None:
    config = StreamConfig(route=["generator"])
    config.generator.model = "nope"
    with pytest.raises(UnknownModel):
        list(reelwire.process_frames(frames(3, VIDEO), VIDEO, config))
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    with pytest.raises(InputDamaged, match=r"text\.mp4"):
        reelwire.probe(text)


def test_a_connection_works_inside_its_block_only() -> None:
    with pytest.raises(RuntimeError, match="with connect_blocking"):
        connect_blocking({"generator": "127.0.0.1:1"}).models()


def test_a_thread_that_still_works_when_the_block_is_left_hears_it(addresses: dict[str, str]) -> None:
    waits, more = threading.Event(), threading.Event()
    heard: list[BaseException] = []

    def endless() -> Iterator[Frames]:
        yield from frames(1, VIDEO)
        waits.set()
        more.wait()

    def work(reelwire: BlockingReelwire) -> None:
        try:
            list(reelwire.process_frames(endless(), VIDEO, StreamConfig(route=["generator"])))
        except Cancelled as error:
            heard.append(error)

    with connect_blocking(addresses) as connection:
        thread = threading.Thread(target=work, args=(connection,), daemon=True)
        thread.start()
        assert waits.wait(LIVENESS_S)
    more.set()
    thread.join(LIVENESS_S)
    assert [type(error) for error in heard] == [Cancelled]


def test_what_is_asked_after_the_block_was_left_is_cancelled(addresses: dict[str, str]) -> None:
    with connect_blocking(addresses) as connection:
        given = connection.process_frames(frames(5, VIDEO), VIDEO, StreamConfig(route=["generator"]))
        next(given)
    with pytest.raises(Cancelled, match="the connection was closed"):
        next(given)


def test_ctrl_c_ends_a_stream_and_leaves_the_connection(reelwire: BlockingReelwire) -> None:
    config, more = StreamConfig(route=["generator"]), threading.Event()

    def interrupted() -> Iterator[Frames]:
        yield from frames(2, VIDEO)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        more.wait()

    with pytest.raises(KeyboardInterrupt):
        list(reelwire.process_frames(interrupted(), VIDEO, config))
    more.set()
    assert len(list(reelwire.process_frames(frames(3, VIDEO), VIDEO, config))) == 3
