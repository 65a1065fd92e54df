"""The service over real gRPC: an upload, errors with their status, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwire.errors import (
    InputDamaged,
    InputNotAllowed,
    ReelwireError,
)
from reelwire.media import Frames, PayloadKind, Sound, Text
from reelwire.testing import write_clip
from reelwire.v1.config_pb2 import Input, StreamConfig
from tests.services.preprocess.clips import h264, sine, wav
from tests.services.preprocess.serving import running


async def test_an_uploaded_clip_comes_back_as_frames_and_sound_and_the_accounts_close(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 30)
    async with running(tmp_path) as service:
        payloads, summary = await service.run(clip)
        assert list(service.spool.iterdir()) == []
    frames = [payload for payload in payloads if isinstance(payload, Frames)]
    assert sum(len(each) for each in frames) == 30
    assert any(isinstance(payload, Sound) for payload in payloads)
    assert (summary.stages[0].in_frames, summary.stages[0].out_frames) == (30, 30)


async def test_made_dropped_and_damaged_frames_stand_in_the_accounts(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        _, up = await service.run(h264(tmp_path / "up.mp4", 30), rate="50")
        _, down = await service.run(h264(tmp_path / "down.mp4", 30), rate="5", start_s=0.2)
        _, sound = await service.run(wav(tmp_path / "sound.wav", sine(1.0)))
    accounts = [
        (stage.in_frames, stage.made_frames, stage.out_frames, sum(each.count for each in stage.dropped))
        for stage in (up.stages[0], down.stages[0], sound.stages[0])
    ]
    assert accounts == [(30, 30, 60, 0), (30, 0, 5, 25), (0, 25, 25, 0)]


async def test_a_prompt_comes_back_as_text(tmp_path: Path) -> None:
    config = StreamConfig(route=["preprocess"], input=Input(text=" a  cat "))
    async with running(tmp_path) as service:
        async with service.reelwire.stream(config) as stream:
            returns = await stream.ready()
            payloads = [chunk.payload async for chunk in stream.chunks()]
    assert [offer.kind for offer in returns] == [PayloadKind.TEXT]
    assert payloads == [Text("a cat")]


@pytest.mark.slow
async def test_a_live_stream_is_paced_and_its_waiting_is_no_work(tmp_path: Path) -> None:
    """Frames a second apart would be a second old, were waiting for them counted as work."""
    config = StreamConfig(route=["preprocess"], policy="POLICY_LIVE")
    config.input.url = "testsrc:size=32x32:rate=1:duration=3"
    config.preprocess.mute = True
    async with running(tmp_path) as service:
        async with service.reelwire.stream(config) as stream:
            await stream.ready()
            pts = [pts async for chunk in stream.chunks() for pts in chunk.payload.pts]  # type: ignore[union-attr]
    assert pts == [0, 1, 2]
    assert stream.summary is not None
    assert stream.summary.stages[0].compute.p99_us < 900_000
    assert stream.summary.stages[0].age.p99_us < 900_000


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", InputDamaged), (b"hello\n" * 999, InputDamaged), (b"#EXTM3U\n", InputNotAllowed)],
)
async def test_an_upload_that_cannot_be_used_ends_its_stream_and_nothing_else(
    tmp_path: Path, content: bytes, error: type[ReelwireError]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    async with running(tmp_path, stream_slots=1) as service:
        with pytest.raises(error, match=r"broken\.mp4"):
            await service.run(broken)
        _, summary = await service.run(h264(tmp_path / "good.mp4", 5))
        assert list(service.spool.iterdir()) == []
    assert summary.stages[0].out_frames == 5
