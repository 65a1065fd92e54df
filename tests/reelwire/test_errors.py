"""What an error says about a name that is not there."""

from __future__ import annotations

import pytest

from reelwire.choices import choose_from


@pytest.mark.parametrize(
    ("got", "meant", "available"),
    [
        ("blurr", "blur", ("blur", "grade")),
        ("h265", "hevc", ("h264", "hevc")),
        ("H.265", "hevc", ("h264", "hevc")),
        ("mkv", "matroska", ("matroska", "mov")),
        ("ts", "mpegts", ("mp4", "mpegts")),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_the_one_that_was_meant(
    got: str, meant: str, available: tuple[str, ...]
) -> None:
    assert f'did you mean "{meant}"?' in choose_from("name", got, available)


def test_another_name_is_not_proposed_where_it_is_not_there_either() -> None:
    assert choose_from("codec", "h265", ("opus",)) == 'codec "h265" not found; available: opus'
