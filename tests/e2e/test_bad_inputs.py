"""Inputs that cannot be and effects that are not there: one status, no output, services that serve on."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from reelwire.client import connect
from reelwire.errors import ReelwireError
from reelwire.pipeline import parse_effect
from reelwire.server import Server
from reelwire.settings import Settings
from reelwire.testing import addresses_of, loopback, write_clip
from reelwire.v1.config_pb2 import StreamConfig
from services.editor.stage import EditorFactory
from services.encoder.stage import EncoderFactory
from services.preprocess.stage import PreprocessFactory
from tests.e2e.callers import active, open_files, settles

ROUTE = ("preprocess", "editor", "encoder")
Make = Callable[[Path], str | Path]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services() -> AsyncIterator[dict[str, Server]]:
    """Three services with one slot each, which all cases here are done to."""
    settings = Settings()
    made = [PreprocessFactory(settings), EditorFactory(settings), EncoderFactory(settings)]
    async with loopback(made, {"stream_slots": 1}) as servers:
        yield servers


def holding(name: str, data: bytes) -> Make:
    """A file with these bytes."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return make


def cut_off(folder: Path) -> Path:
    """An MP4 without its end, where the index is."""
    clip = write_clip(folder / "whole.mp4", 50)
    return holding("cut.mp4", clip.read_bytes()[: clip.stat().st_size // 2])(folder)


def named(url: str) -> Make:
    """Something that preprocess would have to open itself."""
    return lambda folder: url


INPUTS: dict[str, tuple[Make, str, str, str]] = {
    "an empty file": (holding("empty.mp4", b""), "DATA_LOSS", "INPUT_DAMAGED", "empty"),
    "text named mp4": (holding("notes.mp4", b"Dear diary\n" * 99), "DATA_LOSS", "INPUT_DAMAGED", "notes.mp4"),
    "a file without its end": (cut_off, "DATA_LOSS", "INPUT_DAMAGED", "cut.mp4"),
    "a file of the server": (
        named("file:///etc/passwd"), "PERMISSION_DENIED", "INPUT_NOT_ALLOWED",
        '"file" is not allowed; expected',
    ),
    "a path of the server": (
        named("/etc/not-here.mp4"), "PERMISSION_DENIED", "INPUT_NOT_ALLOWED", "REELWIRE_INPUT_ROOT",
    ),
    "a link-local address": (
        named("http://169.254.169.254/latest/meta-data"), "PERMISSION_DENIED", "INPUT_NOT_ALLOWED",
        "169.254.169.254.*REELWIRE_INPUT_URLS",
    ),
    "FFmpeg's own protocols": (
        named("concat:/etc/passwd|/etc/hosts"), "PERMISSION_DENIED", "INPUT_NOT_ALLOWED",
        '"concat" is not allowed; expected',
    ),
}  # fmt: skip
EFFECTS = {
    "an effect that is not known": ("blurr", "NOT_FOUND", "UNKNOWN_EFFECT", '"blurr" not found.*available'),
    "a parameter that is not known": (
        "grade:contrst=1", "INVALID_ARGUMENT", "BAD_PARAMETER", 'contrst" not found; did you mean "contrast"',
    ),
    "a parameter out of range": ("grade:contrast=99", "INVALID_ARGUMENT", "BAD_PARAMETER", "99.*expected"),
    "a parameter of another type": ("grade:contrast=much", "INVALID_ARGUMENT", "BAD_PARAMETER", "much"),
}  # fmt: skip


async def run(
    services: dict[str, Server], source: str | Path, folder: Path, effect: str = ""
) -> tuple[str, str, str] | None:
    """A file's stream; code, reason and text of what it raised, since the error itself keeps connections."""
    config = StreamConfig(route=ROUTE)
    config.encoder.video.preset = "ultrafast"
    if effect:
        config.editor.effects.append(parse_effect(effect))
    async with connect(addresses_of(services)) as reelwire:
        try:
            await reelwire.process_file(source, folder / "out.mkv", config)
        except ReelwireError as error:
            return error.code, error.reason, error.message
    return None


async def check(
    services: dict[str, Server], source: str | Path, folder: Path, effect: str, expected: tuple[str, str, str]
) -> None:
    """The error; and then a good clip runs on the same services, with nothing left of what failed."""
    good = write_clip(folder / "good.mp4", 5)
    assert await run(services, good, folder) is None
    (folder / "out.mkv").unlink()
    await settles("slots", lambda: sum(map(active, services)), 0)
    files, there = open_files(), set(os.listdir(folder))
    error = await run(services, source, folder, effect)
    assert error is not None
    assert error[:2] == expected[:2], error[2]
    assert re.search(expected[2], error[2], re.DOTALL), error[2]
    assert set(os.listdir(folder)) == there, "no output, not even half of one"
    await settles("slots", lambda: sum(map(active, services)), 0)
    assert await run(services, good, folder) is None
    await settles("slots", lambda: sum(map(active, services)), 0)
    await settles("open files", open_files, files)


@pytest.mark.parametrize(("make", "code", "reason", "text"), INPUTS.values(), ids=INPUTS)
@pytest.mark.asyncio(loop_scope="module")
async def test_an_input_that_cannot_be_is_refused_by_its_reason(
    services: dict[str, Server], tmp_path: Path, make: Make, code: str, reason: str, text: str
) -> None:
    await check(services, make(tmp_path), tmp_path, "", (code, reason, text))


@pytest.mark.parametrize(("effect", "code", "reason", "text"), EFFECTS.values(), ids=EFFECTS)
@pytest.mark.asyncio(loop_scope="module")
async def test_an_effect_that_cannot_be_is_refused_by_its_reason(
    services: dict[str, Server], tmp_path: Path, effect: str, code: str, reason: str, text: str
) -> None:
    source = write_clip(tmp_path / "clip.mp4", 5)
    await check(services, source, tmp_path, effect, (code, reason, text))
