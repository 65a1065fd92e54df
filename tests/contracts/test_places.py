"""What a hop promises, wherever pixels lie: nothing about a stream depends on it but its cost."""

from __future__ import annotations

import importlib
import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelwire.client import connect
from reelwire.errors import FailedPrecondition, PlaceUnavailable
from reelwire.hop.checks import STAGES
from reelwire.hop.place import IN_PROCESS, INLINE, SHARED_MEMORY
from reelwire.hop.rings import PixelPolicy
from reelwire.media import (
    Chunk,
    Frames,
    Offer,
    PayloadKind,
    PixelLayout,
    Sound,
    SoundFormat,
    VideoFormat,
    read_only,
)
from reelwire.stage import StageFactory
from reelwire.testing import IdentityFactory, IdentityStage, addresses_of, frames, loopback, small_video
from reelwire.v1.config_pb2 import StreamConfig
from tests.contracts.live_chain import PLACES, until
from tests.contracts.places import VIDEO, Inverting, carry, left_over, placed, same, streams_by_place
from tests.reelwire.hop.stages import StageOf

COUNT = 24
STAGES_OF = {"passed on": IdentityStage, "written anew": Inverting}


def four(kind: str) -> list[StageFactory]:
    return [StageOf(stage, STAGES_OF[kind]) for stage in STAGES]


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_one_file_and_says_its_name(place: str) -> None:
    module = importlib.import_module(f"reelwire.hop.{place}")
    assert [each.name for each in vars(module).values() if getattr(each, "name", "") == place] == [place]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", STAGES_OF)
@pytest.mark.parametrize("layout", PixelLayout, ids=lambda layout: layout.name)
@pytest.mark.parametrize("chunk_frames", [1, 3, 7])
async def test_frames_come_back_in_order_and_byte_for_byte_and_the_accounts_close(
    folder: Path, place: str, kind: str, layout: PixelLayout, chunk_frames: int
) -> None:
    video = small_video(320, 240, layout)
    given = list(frames(COUNT, video, chunk_frames=chunk_frames, pts_step=2))
    async with placed(four(kind), place, folder) as services:
        async with services.stream(StreamConfig(route=STAGES, chunk_frames=chunk_frames), video) as stream:
            back = await carry(stream, given)
            assert same(back, given)
            assert stream.summary is not None
            for stage in stream.summary.stages:
                assert (stage.in_frames, stage.made_frames, stage.out_frames) == (COUNT, 0, COUNT)
                assert (stage.failed_frames, len(stage.dropped)) == (0, 0)
        del back
        await until("rings are gone", lambda: left_over(folder) == [])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", STAGES_OF)
async def test_frames_of_another_size_on_the_same_track_come_back_as_they_went(
    folder: Path, place: str, kind: str
) -> None:
    sizes = [(320, 240)] * 9 + [(640, 480)] * 9 + [(32, 16)] * 9 + [(1280, 720)] * 9 + [(320, 240)] * 9
    given = [sized(index, *size) for index, size in enumerate(sizes)]
    async with placed(four(kind), place, folder) as services:
        async with services.stream(StreamConfig(route=STAGES)) as stream:
            assert same(await carry(stream, given), given)
            assert stream.summary is not None
            assert [stage.transport for stage in stream.summary.stages[1:]] == [place] * 3
            assert stream.told.notices == []


def sized(pts: int, width: int, height: int) -> Frames:
    """Noise of that size."""
    video = VideoFormat(width, height, VIDEO.time_base, VIDEO.layout, VIDEO.frame_rate)
    noise = np.random.default_rng(pts).integers(0, 256, (1, height, width, 3), np.uint8)
    return Frames(video, (pts,), read_only(noise))


@pytest.mark.parametrize("place", PLACES)
async def test_where_pixels_lie_is_said_by_accepted_summary_metric_and_log(
    folder: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = SHARED_MEMORY if place == IN_PROCESS else place
    expected = dict(zip(STAGES, (first, place, place, place), strict=True))
    async with placed(four("passed on"), place, folder) as services:
        async with services.stream(StreamConfig(route=STAGES, stream_id="said")) as stream:
            await stream.ready()
            assert {stage: streams_by_place(stage) for stage in STAGES} == {
                stage: {where: 1.0} for stage, where in expected.items()
            }
            await carry(stream, frames(3, VIDEO))
        assert {stage: told.transport for stage, told in stream.told.accepted.items()} == expected
        assert stream.summary is not None
        assert {stage.stage: stage.transport for stage in stream.summary.stages} == expected
    assert [streams_by_place(stage) for stage in STAGES] == [{}] * 4
    said = [each for each in caplog.messages if each.startswith("stream said opened")]
    assert sorted(each.rpartition("pixels ")[2] for each in said) == sorted(expected.values())


ELSEWHERE = {
    SHARED_MEMORY: "both ends need the same REELWIRE_SHM_DIR, with room in it",
    IN_PROCESS: "host both services in one process: python -m services STAGE STAGE",
}


@pytest.mark.parametrize("pinned", ELSEWHERE)
@pytest.mark.parametrize("end", ["service", "caller"])
async def test_a_place_that_was_asked_for_and_cannot_be_had_ends_the_stream_with_the_fix(
    folder: Path, tmp_path: Path, pinned: str, end: str
) -> None:
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
    settings = {"shm_dir": folder, "pixels": pinned if end == "service" else "auto"}
    policy = PixelPolicy(pinned if end == "caller" else "", tmp_path)  # another folder
    async with loopback([IdentityFactory("editor")], settings) as servers:
        async with connect(addresses_of(servers), policy) as reelwire:
            async with reelwire.stream(StreamConfig(route=["editor"]), (offer,)) as stream:
                with pytest.raises(PlaceUnavailable) as caught:
                    await carry(stream, frames(3, VIDEO))
    assert isinstance(caught.value, FailedPrecondition)
    assert (caught.value.reason, caught.value.stage) == ("PLACE_UNAVAILABLE", "editor")
    assert f"REELWIRE_PIXELS={pinned}" in caught.value.message
    assert "can only be inline" in caught.value.message
    assert ELSEWHERE[pinned] in caught.value.message


async def test_memory_that_only_one_end_has_is_never_chosen(folder: Path, tmp_path: Path) -> None:
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
    given = list(frames(3, VIDEO))
    async with loopback([IdentityFactory("editor")], {"shm_dir": folder}) as servers:
        async with connect(addresses_of(servers), PixelPolicy("", tmp_path)) as reelwire:
            async with reelwire.stream(StreamConfig(route=["editor"]), (offer,)) as stream:
                assert same(await carry(stream, given), given)
            assert stream.told.accepted["editor"].transport == INLINE


async def test_a_stream_without_frames_runs_whatever_is_pinned(folder: Path) -> None:
    """Only pixels have a place: what is small goes in messages everywhere."""
    stereo = SoundFormat(48000, "stereo", 2, Fraction(1, 48000))
    async with placed([IdentityFactory("editor")], SHARED_MEMORY, folder) as services:
        offer = Offer(0, PayloadKind.SOUND, stereo)
        async with services.reelwire.stream(StreamConfig(route=["editor"]), (offer,)) as stream:
            await stream.ready()
            await stream.send(Chunk(0, Sound(stereo, 0, np.zeros((48000, 2), np.float32))))
            await stream.end()
            assert len([each async for each in stream.chunks()]) == 1
