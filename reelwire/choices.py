"""What is said of a name that is not among those that there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What people call things that the nearest spelling would not find.
OTHER_NAMES = {
    "avc": "h264", "h265": "hevc", "x265": "hevc", "h.265": "hevc", "x264": "h264", "vp09": "vp9",
    "mkv": "matroska", "ts": "mpegts", "m2ts": "mpegts", "letterbox": "pad",
    "stretch": "scale",
}  # fmt: skip


def choose_from(what: str, got: str, available: Iterable[str]) -> str:
    """``effect "blurr" not found; did you mean "blur"? available: blur, grade``."""
    names = sorted(available)
    near = [OTHER_NAMES[got.lower()]] if OTHER_NAMES.get(got.lower()) in names else []
    near = near or difflib.get_close_matches(got, names, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ";"
    return f'{what} "{got}" not found{hint} available: {", ".join(names) or "none"}'
