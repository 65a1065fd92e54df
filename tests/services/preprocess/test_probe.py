"""Probe over real gRPC: what an input holds, what will be done about it, and the same limits."""

from __future__ import annotations

from pathlib import Path

import grpc.aio
import numpy as np
import pytest

from reelwire.errors import (
    BadParameter,
    DeadlineExceeded,
    InputDamaged,
    InputNotAllowed,
    InvalidArgument,
    ReelwireError,
    TooLarge,
)
from reelwire.status import from_rpc_error
from reelwire.testing import write_clip
from reelwire.v1.config_pb2 import Input, Upload
from reelwire.v1.media_pb2 import PayloadKind as Kind
from reelwire.v1.pipeline_pb2 import ProbeRequest, ProbeResponse
from tests.services.preprocess.clips import h264, lossless, quarters, sine, wav, with_matrix, write_pictures
from tests.services.preprocess.serving import running


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
