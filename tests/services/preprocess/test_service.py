"""The service over real gRPC: Probe, an upload, errors with their status, and nothing left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import numpy as np
import pytest

from reelwire.client.sdk import Reelwire, connect
from reelwire.client.source import find_source
from reelwire.errors import (
    BadParameter,
    DeadlineExceeded,
    InputDamaged,
    InputNotAllowed,
    InvalidArgument,
    ReelwireError,
    TooLarge,
)
from reelwire.media import Frames, PayloadKind, Sound, Text
from reelwire.server import Server
from reelwire.settings import Settings
from reelwire.status import from_rpc_error
from reelwire.testing import write_clip
from reelwire.v1.config_pb2 import Input, StreamConfig, Upload
from reelwire.v1.media_pb2 import PayloadKind as Kind
from reelwire.v1.pipeline_pb2 import ProbeRequest, ProbeResponse, Summary
from services.preprocess.__main__ import SERVICE
from tests.services.preprocess.clips import h264, lossless, quarters, sine, wav, with_matrix, write_pictures


@dataclass
class Running:
    """A service, a connection to it, and the folder it spools into."""

    server: Server
    reelwire: Reelwire
    spool: Path

    async def run(self, source: str | Path, **preprocess: object) -> tuple[list[object], Summary]:
        """Payloads and accounts of a stream through preprocess alone."""
        config = StreamConfig(route=["preprocess"])
        for name, value in preprocess.items():
            setattr(config.preprocess, name, value)
        found = find_source(source)
        config.input.CopyFrom(found.input)
        async with self.reelwire.stream(config, found.offers) as stream:
            await found.upload(stream)
            await stream.ready()
            payloads: list[object] = [chunk.payload async for chunk in stream.chunks()]
        assert stream.summary is not None
        return payloads, stream.summary

    async def refused_probe(self, requests: list[ProbeRequest]) -> ReelwireError:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.server.port}") as channel:
            method = channel.stream_unary(
                "/reelwire.v1.Preprocess/Probe",
                request_serializer=ProbeRequest.SerializeToString,
                response_deserializer=ProbeResponse.FromString,
            )
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await method(iter(requests))
        return from_rpc_error(raised.value, peer="preprocess")


@asynccontextmanager
async def running(tmp_path: Path, **settings: object) -> AsyncIterator[Running]:
    spool = tmp_path / "spool"
    spool.mkdir()
    server = Server(SERVICE, Settings(spool_dir=spool, drain_s=0.0, **settings))  # type: ignore[arg-type]
    await server.start()
    try:
        async with connect({"preprocess": f"127.0.0.1:{server.port}"}) as reelwire:
            yield Running(server, reelwire, spool)
    finally:
        await server.stop()


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


async def test_probe_tells_what_a_clip_holds(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 50)
    async with running(tmp_path) as service:
        answer = await service.reelwire.probe(clip)
        assert list(service.spool.iterdir()) == []
    video, sound = answer.streams
    assert "mp4" in answer.container
    assert answer.duration_us == pytest.approx(2_000_000, abs=50_000)
    assert (video.type, video.codec, video.width, video.height) == ("video", "h264", 64, 48)
    assert (video.format, video.bit_depth, video.frame_count) == ("yuv420p", 8, 50)
    assert (video.average_rate.num, video.average_rate.den) == (25, 1)
    assert (sound.type, sound.codec, sound.sample_rate, sound.channel_layout) == (
        "audio",
        "aac",
        48_000,
        "mono",
    )
    assert [offer.kind for offer in answer.offers] == [Kind.PAYLOAD_KIND_FRAMES, Kind.PAYLOAD_KIND_SOUND]
    assert list(answer.remarks) == []


def _interlaced(folder: Path) -> Path:
    return h264(folder / "clip.mp4", 3, options={"x264-params": "tff=1"})


def _turned(folder: Path) -> Path:
    return with_matrix(h264(folder / "plain.mp4", 3), folder / "clip.mp4", 0, 1, -1, 0)


def _variable(folder: Path) -> Path:
    return h264(folder / "clip.mp4", 6, pts=[0, 1, 2, 9, 10, 20])


def _transparent(folder: Path) -> Path:
    rgba = np.dstack((quarters(), np.full((48, 64), 99, np.uint8)))
    return write_pictures(folder / "clip.mov", [rgba], "qtrle", "argb")


def _wide(folder: Path) -> Path:
    tags = {"colorspace": 9, "color_trc": 16, "color_primaries": 9}
    options = {"x265-params": "log-level=none:pools=none"}
    return write_pictures(
        folder / "clip.mp4", [quarters()], "libx265", "yuv420p10le", options=options, tags=tags
    )


@pytest.mark.parametrize(
    ("make", "remark", "field", "value"),
    [
        (_interlaced, "interlaced", "interlaced", True),
        (_turned, "clockwise by 90", "rotation_degrees", 90),
        (_variable, "variable frame rate", "frame_count", 6),
        (_transparent, "transparent", "alpha", True),
        (_wide, "HDR (PQ)", "hdr", True),
        (_wide, "HDR (PQ)", "bit_depth", 10),
        (lambda folder: lossless(folder / "clip.mkv", 2, width=35, height=19), "36x20", "width", 35),
    ],
    ids=["interlaced", "turned", "variable", "transparent", "hdr", "deep", "odd"],
)
async def test_probe_says_in_one_line_what_will_be_done(
    tmp_path: Path, make: object, remark: str, field: str, value: object
) -> None:
    clip = make(tmp_path)  # type: ignore[operator]
    async with running(tmp_path) as service:
        answer = await service.reelwire.probe(clip)
    assert len(answer.remarks) == 1
    assert remark in answer.remarks[0]
    assert "\n" not in answer.remarks[0]
    assert getattr(answer.streams[0], field) == value


async def test_probe_describes_test_pictures_prompts_and_sound(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        source = await service.reelwire.probe("testsrc:size=96x64:duration=2")
        sound = await service.reelwire.probe(wav(tmp_path / "sound.wav", sine(1.0)))
    assert (source.streams[0].width, source.duration_us) == (96, 2_000_000)
    assert list(sound.remarks) == ["only sound: the picture is made"]
    assert sound.offers[0].expected_frames == 25


async def test_probe_holds_the_same_limits_as_a_stream(tmp_path: Path) -> None:
    clip = h264(tmp_path / "clip.mp4", 50)
    limits = {"max_frame_pixels": 64 * 47, "max_duration_s": 1.5, "max_upload_bytes": 1000}
    for name, value in limits.items():
        folder = tmp_path / name
        folder.mkdir()
        async with running(folder, **{name: value}) as service:
            with pytest.raises(TooLarge, match=name.upper()):
                await service.reelwire.probe(clip)
            assert list(service.spool.iterdir()) == []


async def test_probe_refuses_what_it_cannot_read_and_goes_on(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("hello\n" * 99)
    async with running(tmp_path) as service:
        with pytest.raises(InputDamaged, match=r"text\.mp4"):
            await service.reelwire.probe(text)
        with pytest.raises(InputNotAllowed):
            await service.reelwire.probe("/etc/hostname-that-is-not-here")
        answer = await service.reelwire.probe(h264(tmp_path / "good.mp4", 5))
    assert answer.streams[0].frame_count == 5


def _upload(name: str = "clip.mp4") -> ProbeRequest:
    return ProbeRequest(input=Input(upload=Upload(name=name)))


@pytest.mark.parametrize(
    ("requests", "error"),
    [
        ([], InvalidArgument),
        ([ProbeRequest(data=b"x")], InvalidArgument),
        ([ProbeRequest()], InvalidArgument),
        ([ProbeRequest(input=Input())], InvalidArgument),
        ([_upload(), _upload()], InvalidArgument),
        ([_upload()], InputDamaged),
        ([ProbeRequest(input=Input(text=" "))], BadParameter),
    ],
    ids=["nothing", "bytes-first", "empty-message", "empty-input", "input-twice", "no-bytes", "no-prompt"],
)
async def test_probe_refuses_messages_that_make_no_sense(
    tmp_path: Path, requests: list[ProbeRequest], error: type[ReelwireError]
) -> None:
    async with running(tmp_path) as service:
        assert isinstance(await service.refused_probe(requests), error)
        assert list(service.spool.iterdir()) == []


async def test_probe_waits_for_a_silent_caller_only_so_long(tmp_path: Path) -> None:
    async with running(tmp_path, stall_timeout_s=0.2) as service:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.server.port}") as channel:
            call = channel.stream_unary(
                "/reelwire.v1.Preprocess/Probe",
                request_serializer=ProbeRequest.SerializeToString,
                response_deserializer=ProbeResponse.FromString,
            )()
            await call.write(_upload())
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
    assert isinstance(from_rpc_error(raised.value, peer="preprocess"), DeadlineExceeded)
