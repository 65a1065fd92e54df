"""Clips of every kind through the four services: every picture at its time, the sound where it was, and the
accounts closed, in each container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from reelwire.client import FileResult, connect
from reelwire.hop.checks import STAGES
from reelwire.testing import addresses_of, loopback, picture
from reelwire.v1.config_pb2 import StreamConfig
from services.editor.__main__ import SERVICE as EDITOR
from services.encoder.__main__ import SERVICE as ENCODER
from services.generator.__main__ import SERVICE as GENERATOR
from services.preprocess.__main__ import SERVICE as PREPROCESS
from tests.e2e.clips import (
    ClipKind,
    SoundKind,
    make,
    picture_times,
    sound_offsets_s,
    turn_clockwise,
    worst_shift,
)

SOUND_TOLERANCE_S = 0.020
SECONDS = 3
ENDINGS = (".mkv", ".mp4", ".ts")
STEADY = tuple(range(25 * SECONDS))
MILLISECONDS = Fraction(1, 1000)
UNEVEN = (0, 40, 50, 51, 120, 500, *range(540, 1000 * SECONDS, 37))
NTSC = tuple(1001 * index for index in range(90))
AAC, OPUS = SoundKind("aac", 48_000, "stereo", "fltp"), SoundKind("libopus", 48_000, "stereo", "flt")
MONO, MP2 = SoundKind("aac", 44_100, "mono", "fltp"), SoundKind("mp2", 44_100, "stereo", "s16p")
FLAC, PCM = SoundKind("flac", 48_000, "stereo", "s16"), SoundKind("pcm_s16le", 22_050, "mono", "s16")
AROUND = SoundKind("pcm_s16le", 48_000, "5.1", "s16")
RATE_25 = Fraction(1, 25)
STEADY_CLIP = ClipKind("steady.mp4", STEADY, RATE_25, sound=AAC)
UNEVEN_CLIP = ClipKind("uneven.mkv", UNEVEN, MILLISECONDS, sound=AAC)
NTSC_CLIP = ClipKind("ntsc.mp4", NTSC, Fraction(1, 30_000), sound=MONO)
EVERYWHERE = tuple((kind, ending) for kind in (STEADY_CLIP, UNEVEN_CLIP, NTSC_CLIP) for ending in ENDINGS)
ELSEWHERE = (
    (ClipKind("late.ts", tuple(90_000 * 5 + 3600 * i for i in STEADY), Fraction(1, 90_000)), ".mp4"),
    (ClipKind("odd.mkv", STEADY, RATE_25, 63, 47, "ffv1", "bgr0", sound=FLAC), ".mp4"),
    (ClipKind("ten.mkv", STEADY, RATE_25, codec="ffv1", pixel_format="yuv422p10le"), ".ts"),
    (ClipKind("hdr.mkv", STEADY, RATE_25, 96, 64, "libx265", "yuv420p10le", hdr=True, sound=AAC), ".mkv"),
    (ClipKind("vp9.webm", STEADY, RATE_25, codec="libvpx-vp9", sound=OPUS), ".ts"),
    (ClipKind("mpeg.mpg", STEADY, RATE_25, codec="mpeg2video", sound=MP2), ".mp4"),
    (ClipKind("moving.avi", STEADY, RATE_25, codec="mpeg4", sound=PCM), ".mkv"),
    (ClipKind("around.mov", STEADY, RATE_25, sound=AROUND), ".ts"),
    (ClipKind("early.mkv", STEADY, RATE_25, sound=AAC, sound_delay_s=Fraction(1, 5)), ".mp4"),
)
CASES = EVERYWHERE + ELSEWHERE
Clips = Callable[[str], Path]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Makes a clip once."""
    folder = tmp_path_factory.mktemp("clips")
    made = {kind.name: kind for kind, _ in CASES}

    def get(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make(made[name], folder)

    return get


async def through(source: Path, target: Path, **preprocess: object) -> FileResult:
    """All four services, with an effect that changes no time."""
    config = StreamConfig(route=STAGES)
    config.editor.effects.add(name="grade").params.update({"contrast": 1.2})
    for name, value in preprocess.items():
        setattr(config.preprocess, name, value)
    services = (PREPROCESS, GENERATOR, EDITOR, ENCODER)
    async with loopback(services) as servers, connect(addresses_of(servers)) as reelwire:
        return await reelwire.process_file(source, target, config)


def check_accounts(result: FileResult, pictures: int) -> None:
    for frames in (result.report["frames"], *(stage["frames"] for stage in result.report["stages"])):
        assert frames["in"] + frames["made"] == frames["out"] + frames["dropped"] + frames["failed"], frames
    assert result.report["frames"]["in"] == result.report["frames"]["out"] == pictures


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "ending"), CASES, ids=[kind.name + ending for kind, ending in CASES])
async def test_every_picture_keeps_its_time_and_the_sound_stays_with_it(
    clips: Clips, tmp_path: Path, kind: ClipKind, ending: str
) -> None:
    source, target = clips(kind.name), tmp_path / f"out{ending}"
    result = await through(source, target)
    check_accounts(result, len(kind.pts))
    assert len(picture_times(target)) == len(kind.pts)
    assert worst_shift(source, target) <= Fraction(1, 2)
    if kind.sound is not None:
        offsets = sound_offsets_s(source, target)
        assert offsets.keys() == {"first", "last"}
        assert max(map(abs, offsets.values())) <= SOUND_TOLERANCE_S, offsets


def test_the_measures_see_what_is_out_of_step(tmp_path: Path) -> None:
    straight = make(STEADY_CLIP, tmp_path)
    late = make(replace(STEADY_CLIP, name="late.mp4", sound_delay_s=Fraction(3, 100)), tmp_path)
    assert sound_offsets_s(straight, late) == pytest.approx({"first": 0.03, "last": 0.03}, abs=0.001)
    assert sound_offsets_s(straight, straight) == {"first": 0, "last": 0}
    uneven = make(replace(STEADY_CLIP, name="uneven.mkv", pts=(*STEADY[:-1], STEADY[-1] + 1)), tmp_path)
    assert worst_shift(straight, uneven) == 40  # a frame's length in milliseconds


async def test_a_picture_filmed_on_its_side_stands_upright(clips: Clips, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(clips("steady.mp4").read_bytes())
    target = tmp_path / "out.mp4"
    await through(turn_clockwise(turned, 48), target)
    with av.open(str(target)) as container:
        shown = next(container.decode(container.streams.video[0])).to_ndarray(format="rgb24").astype(int)
    expected = np.rot90(picture(0), -1).astype(int)
    assert shown.shape == expected.shape == (64, 48, 3)
    upright = np.abs(shown - expected).mean()
    assert (
        upright
        < min(np.abs(np.rot90(shown, 2) - expected).mean(), np.abs(shown[:, ::-1] - expected).mean()) / 2
    )


async def test_a_constant_rate_is_made_by_repeating_and_dropping_and_both_are_counted(
    clips: Clips, tmp_path: Path
) -> None:
    source, target = clips("uneven.mkv"), tmp_path / "out.mp4"
    result = await through(source, target, rate="25")
    frames = result.report["frames"]
    assert frames["in"] == len(UNEVEN)
    assert frames["made"] > 0
    assert result.report["stages"][0]["dropped_by_reason"].keys() == {"rate"}
    assert frames["in"] + frames["made"] == frames["out"] + frames["dropped"]
    times = picture_times(target)
    assert len(times) == frames["out"]
    assert {later - earlier for earlier, later in pairwise(times)} == {RATE_25}
    offsets = sound_offsets_s(source, target)
    assert max(map(abs, offsets.values())) <= SOUND_TOLERANCE_S


async def test_sound_can_be_left_out(clips: Clips, tmp_path: Path) -> None:
    await through(clips("steady.mp4"), tmp_path / "out.mp4", mute=True)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


async def test_sound_passes_as_it_is_where_it_is_asked_to(clips: Clips, tmp_path: Path) -> None:
    source, target = clips("steady.mp4"), tmp_path / "out.mkv"
    await through(source, target, sound_passthrough=True)

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]

    assert packets(target) == packets(source)
    assert max(map(abs, sound_offsets_s(source, target).values())) <= SOUND_TOLERANCE_S
