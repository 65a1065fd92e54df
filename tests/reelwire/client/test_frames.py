"""Raw frames through stages and back: in order, changed mid-stream, never waiting for what cannot come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from reelwire.client import Stream
from reelwire.errors import BadParameter, NoSlot, UnknownModel
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout
from reelwire.testing import frames, small_video
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Control
from tests.reelwire.client.running import LIVENESS_S, all_four
from tests.reelwire.models.graphs import gain

VIDEO = small_video()
OFFER = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))


def through(*route: str, model: str = "") -> StreamConfig:
    config = StreamConfig(route=route)
    config.generator.model = model
    return config


async def later(count: int) -> AsyncIterator[Frames]:
    for each in frames(count, VIDEO):
        await asyncio.sleep(0)
        yield each


def whole(count: int) -> np.ndarray:
    return next(iter(frames(count, VIDEO, chunk_frames=count))).pixels


@pytest.mark.parametrize("source", [later, lambda count: frames(count, VIDEO, chunk_frames=3)])
async def test_frames_come_back_in_order_from_a_single_stage(source: object) -> None:
    async with all_four() as reelwire:
        given = source(20)  # type: ignore[operator]
        back = [
            each
            async for each in reelwire.process_frames(given, VIDEO, through("generator", model="identity"))
        ]
    assert [pts for each in back for pts in each.pts] == list(range(20))
    assert np.array_equal(np.concatenate([each.pixels for each in back]), whole(20))


@pytest.mark.parametrize("layout", list(PixelLayout), ids=lambda layout: layout.name)
async def test_frames_come_back_in_the_layout_that_was_sent(layout: PixelLayout) -> None:
    video = small_video(layout=layout)
    config = through("editor")
    config.editor.effects.add(name="grade").params.update({"contrast": 1.2})
    async with all_four() as reelwire:
        back = [each async for each in reelwire.process_frames(frames(3, video), video, config)]
    assert [each.format.layout for each in back] == [layout] * 3


async def test_frames_that_come_back_are_read_only() -> None:
    async with all_four() as reelwire:
        async for each in reelwire.process_frames(frames(2, VIDEO), VIDEO, through("generator")):
            assert not each.pixels.flags.writeable


async def test_a_route_that_gives_packets_is_refused() -> None:
    async with all_four() as reelwire:
        with pytest.raises(BadParameter, match="no frames back; leave the encoder out"):
            await anext(reelwire.process_frames(frames(2, VIDEO), VIDEO, through("encoder")))


async def test_an_empty_route_is_refused_before_anything_is_dialled() -> None:
    async with all_four() as reelwire:
        with pytest.raises(BadParameter, match="route is empty"):
            reelwire.stream(StreamConfig())


async def test_a_stage_that_is_none_is_named_before_anything_is_dialled() -> None:
    async with all_four() as reelwire:
        with pytest.raises(BadParameter, match='"edtor" not found; did you mean "editor"'):
            reelwire.stream(through("edtor"))


async def drained(given: AsyncIterator[Frames]) -> None:
    async for _ in given:
        pass


def broken() -> Iterator[Frames]:
    yield from frames(5, VIDEO)
    raise LookupError("the camera is gone")


async def test_an_error_of_the_callers_own_frames_reaches_whoever_reads() -> None:
    async with all_four() as reelwire:
        given = reelwire.process_frames(broken(), VIDEO, through("generator"))
        with pytest.raises(LookupError, match="the camera is gone"):
            await asyncio.wait_for(drained(given), LIVENESS_S)


async def test_frames_of_another_layout_than_was_said_are_refused() -> None:
    other = frames(2, small_video(layout=PixelLayout.I420))
    async with all_four() as reelwire:
        given = reelwire.process_frames(other, VIDEO, through("generator"))
        with pytest.raises(BadParameter, match="frames are I420; the stream was opened for RGB24"):
            await asyncio.wait_for(drained(given), LIVENESS_S)


async def test_a_bare_array_is_refused_by_what_is_expected() -> None:
    bare = [np.zeros((1, 48, 64, 3), np.uint8)]
    async with all_four() as reelwire:
        given = reelwire.process_frames(bare, VIDEO, through("generator"))  # type: ignore[arg-type]
        with pytest.raises(BadParameter, match=r"got ndarray; expected reelwire\.media\.Frames"):
            await asyncio.wait_for(drained(given), LIVENESS_S)


async def test_an_unknown_model_is_the_same_class_here_as_there() -> None:
    async with all_four() as reelwire:
        with pytest.raises(UnknownModel, match='did you mean "identity"') as caught:
            await anext(
                reelwire.process_frames(frames(2, VIDEO), VIDEO, through("generator", model="identty"))
            )
    assert caught.value.stage == "generator"


async def send(stream: Stream, count: int) -> None:
    for each in frames(count, VIDEO):
        await stream.send(Chunk(0, each))
    await stream.end()


async def test_strength_changes_from_the_pts_that_was_named(tmp_path: Path) -> None:
    gain(tmp_path / "dim" / "model.onnx")
    async with all_four(model_path=str(tmp_path)) as reelwire:
        async with reelwire.stream(through("generator", model="dim"), (OFFER,)) as stream:
            await stream.ready()
            await stream.control(Control(stage="generator", from_pts=5, strength=0.0))
            sender = asyncio.create_task(send(stream, 10))
            back = [chunk.payload async for chunk in stream.chunks() if isinstance(chunk.payload, Frames)]
            await sender
            assert stream.told.models[0].name == "dim"
            assert stream.stream_id
    pixels = np.concatenate([each.pixels for each in back])
    same = [bool(np.array_equal(a, b)) for a, b in zip(pixels, whole(10), strict=True)]
    assert same == [False] * 5 + [True] * 5


async def test_leaving_early_frees_the_slot_everywhere() -> None:
    config = through("generator", "editor")
    async with all_four(stream_slots=1) as reelwire:
        async with reelwire.stream(config, (OFFER,)) as stream:
            await stream.ready()
            await stream.send(Chunk(0, next(iter(frames(1, VIDEO)))))
            with pytest.raises(NoSlot, match="all 1 stream slots of generator are taken"):
                await anext(reelwire.process_frames(frames(2, VIDEO), VIDEO, config))
        async with asyncio.timeout(LIVENESS_S):
            assert await retried(reelwire.process_frames, config) == [0, 1, 2]


async def retried(process: object, config: StreamConfig) -> list[int]:
    """Tries again as the refusal says, until there is a slot: its worker may still be on its way out."""
    while True:
        try:
            given = process(frames(3, VIDEO), VIDEO, config)  # type: ignore[operator]
            return [pts async for each in given for pts in each.pts]
        except NoSlot as error:
            await asyncio.sleep(error.retry_after_s or LIVENESS_S)


async def test_a_reader_that_leaves_early_ends_the_stream() -> None:
    config = through("generator")
    async with all_four(stream_slots=1) as reelwire:
        results = reelwire.process_frames(frames(200, VIDEO), VIDEO, config)
        assert (await anext(results)).pts == (0,)
        await results.aclose()
        async with asyncio.timeout(LIVENESS_S):
            assert await retried(reelwire.process_frames, config) == [0, 1, 2]
