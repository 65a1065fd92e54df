"""What can be wrong with an output is said before any work, and what its name decides is decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwire.client.target import prepare_target
from reelwire.complete import write_complete, write_error
from reelwire.errors import BadParameter, PermissionDenied, ResourceExhausted
from reelwire.hop.checks import STAGES
from reelwire.v1.config_pb2 import StreamConfig


def asked(
    codec: str = "", sound: str = "", container: str = "", route: tuple[str, ...] = STAGES
) -> StreamConfig:
    config = StreamConfig(route=route)
    config.encoder.video.codec, config.encoder.sound.codec = codec, sound
    config.encoder.container = container
    return config


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("out.gif", asked(), r"no container for this ending; expected one of \.mp4 .*\.mkv .*\.ts"),
        ("out", asked(), "no container for this ending"),
        ("out.webm", asked("h264"), "webm does not take h264; use matroska .* a codec of av1, opus, vp9"),
        ("out.webm", asked(sound="aac"), "webm does not take aac"),
        ("out.ts", asked("libvpx-vp9"), "mpegts does not take vp9"),
        ("out.mkv", asked(container="mpegts"), r"out\.mkv and container mpegts do not fit; .*\.ts"),
        ("out.mp4", asked(container="avi"), 'container "avi" not found; .*matroska'),
        ("no/out.mp4", asked(), "folder .*no does not exist"),
        (".", asked(), "is a folder; expected a file name"),
        (
            "out.mp4",
            asked(route=("preprocess", "generator")),
            "needs the encoder; the route is preprocess → gen",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_can(
    tmp_path: Path, name: str, config: StreamConfig, words: str
) -> None:
    with pytest.raises(BadParameter, match=words):
        prepare_target(tmp_path / name, config, overwrite=False)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("out.mp4", asked("vp9", "opus")),
        ("out.mp4", asked("av1")),
        ("out.mkv", asked("hevc")),
        ("out.ts", asked(container="mpegts")),
        ("anything", asked(container="matroska")),
    ],
)
def test_what_can_be_written_is_left_as_it_was_asked(tmp_path: Path, name: str, config: StreamConfig) -> None:
    before = StreamConfig()
    before.CopyFrom(config)
    prepare_target(tmp_path / name, config, overwrite=False)
    assert config == before


def test_webm_gets_codecs_that_it_takes(tmp_path: Path) -> None:
    config = asked()
    prepare_target(tmp_path / "out.webm", config, overwrite=False)
    assert (config.encoder.video.codec, config.encoder.sound.codec) == ("vp9", "opus")


def test_a_pipe_gets_a_container_that_can_be_written_without_seeking() -> None:
    config = asked()
    prepare_target(None, config, overwrite=False)
    assert config.encoder.container == "matroska"


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(BadParameter, match="/dev/null is no plain file"):
        prepare_target(Path("/dev/null"), asked(container="matroska"), overwrite=True)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    write_complete(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(28, "No space left on device"), ResourceExhausted, "free some space"),
        (OSError(13, "Permission denied"), PermissionDenied, "choose another folder"),
        (OSError(30, "Read-only file system"), PermissionDenied, "Read-only"),
        (OSError(36, "File name too long"), BadParameter, "File name too long"),
    ],
)
def test_the_systems_errors_become_ours(error: OSError, kind: type[Exception], words: str) -> None:
    made = write_error(Path("out.mp4"), error)
    assert type(made) is kind
    assert words in made.message
    assert "out.mp4" in made.message
