"""Files that effects read: below the operator's folder, nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelwire.errors import BadParameter, InputNotAllowed, InputNotFound, ReelwireError
from tests.services.editor.streams import factory, open_stream, video

WIDTH, HEIGHT = 64, 48


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("../secret.png", InputNotAllowed),
        ("/etc/passwd", InputNotAllowed),
        ("out.png", InputNotAllowed),
        ("nothing.png", InputNotFound),
        (".", InputNotFound),
        ("a\0b", BadParameter),
    ],
)
def test_files_outside_the_asset_folder_cannot_be_reached(
    name: str, error: type[ReelwireError], tmp_path: Path
) -> None:
    root = tmp_path / "assets"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    editor = factory(root)
    with pytest.raises(error) as caught:
        open_stream(editor, [("overlay", {"picture": name})], [video(WIDTH, HEIGHT)])
    assert caught.value.field == "picture"
    editor.close()


def test_without_an_asset_folder_no_file_can_be_named() -> None:
    editor = factory()
    with pytest.raises(InputNotAllowed, match="REELWIRE_ASSET_ROOT"):
        open_stream(editor, [("overlay", {"picture": "logo.png"})], [video(WIDTH, HEIGHT)])
    editor.close()
