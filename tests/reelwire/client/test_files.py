"""A file in, a file out: exact, complete or not there, and honest about what happened."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import av
import pytest

from reelwire.client import Progress, connect
from reelwire.errors import (
    BadParameter,
    InputDamaged,
    InputNotFound,
    ReelwireError,
    Unavailable,
    UnknownEffect,
    UnknownModel,
)
from tests.reelwire.client.running import all_four, names_in, tags_of, time_base_of, times_of, whole_route


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".ts", ".webm"])
async def test_a_file_keeps_every_picture_its_time_and_its_sound(
    clip: Path, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"out{ending}"
    async with all_four() as reelwire:
        result = await reelwire.process_file(clip, target, whole_route())
    times, base = times_of(target), time_base_of(target)
    assert len(times) == 25
    assert all(abs(time - times[0] - Fraction(index, 25)) <= base / 2 for index, time in enumerate(times))
    with av.open(str(target)) as container:
        heard = sum(frame.samples for frame in container.decode(container.streams.audio[0]))
    assert 48_000 <= heard <= 48_000 + 4096
    assert result.target == target
    assert result.report["frames"] == {"in": 25, "made": 0, "out": 25, "dropped": 0, "failed": 0}
    assert names_in(tmp_path) == [target.name]


async def test_an_mp4_can_be_played_while_it_loads(clip: Path, tmp_path: Path) -> None:
    async with all_four() as reelwire:
        await reelwire.process_file(clip, tmp_path / "out.mp4", whole_route())
    data = (tmp_path / "out.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
async def test_a_file_says_that_a_model_changed_it(clip: Path, tmp_path: Path, ending: str) -> None:
    marked, plain, silent = (tmp_path / f"{name}{ending}" for name in ("marked", "plain", "silent"))
    config = whole_route()
    async with all_four() as reelwire:
        await reelwire.process_file(clip, plain, config)
        config.generator.model = "identity"
        await reelwire.process_file(clip, marked, config)
        config.encoder.omit_provenance = True
        await reelwire.process_file(clip, silent, config)
    assert "AI" in tags_of(marked)["comment"]
    assert "identity 1" in tags_of(marked)["comment"]
    assert "comment" not in tags_of(plain)
    assert "comment" not in tags_of(silent)


async def test_progress_moves_to_the_last_frame(clip: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    async with all_four() as reelwire:
        await reelwire.process_file(clip, tmp_path / "out.mp4", whole_route(), on_progress=told.append)
    phases = list(dict.fromkeys(each.phase for each in told))
    assert phases == ["waiting for the services", "uploading in.mp4", "starting the pipeline", "running"]
    counts = [each.out_frames for each in told]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1], told[-1].expected_frames) == (0, 25, 25)
    assert len(set(counts)) > 10


async def test_progress_of_a_container_is_its_bytes(clip: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    config = whole_route()
    config.encoder.container = "mpegts"
    async with all_four() as reelwire:
        await reelwire.process_file(clip, tmp_path / "out.ts", config, on_progress=told.append)
    assert told[-1].out_bytes == len((tmp_path / "out.ts").read_bytes())
    assert len(times_of(tmp_path / "out.ts")) == 25


async def test_an_existing_file_is_replaced_only_on_demand(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    target.write_text("mine")
    async with all_four() as reelwire:
        with pytest.raises(BadParameter, match=r"out\.mkv exists; --force \(overwrite=True\) replaces it"):
            await reelwire.process_file(clip, target, whole_route())
        assert target.read_text() == "mine"
        await reelwire.process_file(clip, target, whole_route(), overwrite=True)
    assert len(times_of(target)) == 25


def model(config: object) -> None:
    config.generator.model = "nope"  # type: ignore[attr-defined]


def effect(config: object) -> None:
    config.editor.effects.add(name="nope")  # type: ignore[attr-defined]


def preset(config: object) -> None:
    config.encoder.video.preset = "nope"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spoil", "kind", "stage"),
    [
        (model, UnknownModel, "generator"),
        (effect, UnknownEffect, "editor"),
        (preset, BadParameter, "encoder"),
    ],
    ids=["model", "effect", "preset"],
)
async def test_an_error_of_any_stage_arrives_as_the_class_it_was_raised_as(
    clip: Path, tmp_path: Path, spoil: object, kind: type[ReelwireError], stage: str
) -> None:
    config = whole_route()
    spoil(config)  # type: ignore[operator]
    async with all_four() as reelwire:
        with pytest.raises(kind, match='"nope" not found') as caught:
            await reelwire.process_file(clip, tmp_path / "out.mp4", config)
    assert type(caught.value) is kind
    assert caught.value.stage == stage
    assert names_in(tmp_path) == []


async def test_a_damaged_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no film\n" * 1000)
    async with all_four() as reelwire:
        with pytest.raises(InputDamaged, match=r"text\.mp4"):
            await reelwire.process_file(text, tmp_path / "out.mp4", whole_route())
    assert names_in(tmp_path) == ["text.mp4"]


async def test_a_file_that_cannot_be_read_is_said_by_name(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    async with all_four() as reelwire:
        source.write_bytes(b"x")
        reading = reelwire.process_file(
            source,
            tmp_path / "out.mp4",
            whole_route(),
            on_progress=lambda now: source.unlink(missing_ok=True),
        )
        with pytest.raises(InputNotFound, match=r"cannot read .*in\.mp4: No such file"):
            await reading


async def test_a_file_that_is_given_up_is_not_there_and_its_slots_are_free(
    clip: Path, tmp_path: Path
) -> None:
    async with all_four(stream_slots=1) as reelwire:
        running = asyncio.Event()

        def on_progress(now: Progress) -> None:
            if now.out_frames:
                running.set()

        work = asyncio.create_task(
            reelwire.process_file(clip, tmp_path / "out.mp4", whole_route(), on_progress=on_progress)
        )
        await running.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert names_in(tmp_path) == []


async def test_services_that_are_not_there_are_named(clip: Path, tmp_path: Path) -> None:
    async with connect({"preprocess": "127.0.0.1:1"}) as reelwire:
        with pytest.raises(Unavailable, match=r"preprocess at 127\.0\.0\.1:1"):
            await reelwire.process_file(clip, tmp_path / "out.mp4", whole_route())
    assert names_in(tmp_path) == []
