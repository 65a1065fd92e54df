"""libavformat on bytes that we hand it: an upload or a local file, never a name that it would open itself.

A "video" may be a playlist (HLS, DASH, concat, SDP …) that names other files or addresses. Whatever such a
demuxer wants to open is refused twice: by the callback that libavformat asks, and by its protocol whitelist
for demuxers that do not ask.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NoReturn

import av

from reelwire.errors import InputDamaged, InputNotAllowed, ReelwireError, TooLarge
from reelwire.settings import Settings
from services.preprocess.opened import BUFFER_BYTES, OpenInput, reason_of

NO_PROTOCOL = "none"
PLAYLISTS = frozenset(
    {"hls", "dash", "concat", "sdp", "rtsp", "rtp", "sap", "imf", "webm_dash_manifest", "lavfi"}
)
_PLAYLIST_HEADS = re.compile(
    rb"#EXTM3U|ffconcat|v=0\r?\n|(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(MPD|smil|asx)", re.S
)
_HEAD_BYTES = 4096
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


class NamedBytes:
    """What libavformat reads from. ``name`` is only the ending of the real one, a hint of the format."""

    def __init__(self, file: io.BufferedIOBase, name: str) -> None:
        self._file = file
        ending = PurePath(name).suffix
        self.name = f"input{ending}" if _ENDING.fullmatch(ending) else "input"
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def open_bytes(
    file: io.BufferedIOBase, name: str, settings: Settings, on_close: Callable[[], None] = lambda: None
) -> OpenInput:
    """``name`` is for messages and the hint. The file stays the caller's until ``on_close``.

    InputDamaged: libavformat cannot read it. InputNotAllowed: it is a playlist.
    """
    shown = name or "the upload"
    head = file.read(_HEAD_BYTES)
    if not head:
        raise InputDamaged(f"{shown} is empty; expected a video or sound file")
    if _PLAYLIST_HEADS.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()):
        raise InputNotAllowed(_is_playlist(shown), field="input")
    file.seek(0)
    container = open_container(
        NamedBytes(file, name),
        shown,
        io_open=_refusal(shown),
        options={"protocol_whitelist": NO_PROTOCOL, **decoder_limits(settings)},
    )
    if container.format.name.split(",")[0] in PLAYLISTS:
        container.close()
        raise InputNotAllowed(_is_playlist(shown), field="input")
    return OpenInput(container, shown, on_close=on_close)


def open_container(source: Any, shown: str, **arguments: Any) -> Any:
    """``av.open`` with its errors as ours. InputDamaged: what came is no container that libavformat knows.
    TooLarge: its header claims more than memory holds."""
    try:
        return av.open(source, buffer_size=BUFFER_BYTES, metadata_errors="replace", **arguments)
    except ReelwireError:
        raise
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, MemoryError):
            raise TooLarge(f"{shown} claims sizes for which there is no memory", field="input") from None
        raise InputDamaged(
            f"{shown} cannot be opened as video or sound, it is cut off or something else: {reason_of(error)}"
        ) from None


def decoder_limits(settings: Settings) -> dict[str, str]:
    """Options by which decoders refuse what is over the limits before they allocate for it."""
    return {"max_pixels": str(settings.max_frame_pixels)}


def _refusal(shown: str) -> Callable[[str, int, dict[str, str]], NoReturn]:
    def refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
        del flags, options
        raise InputNotAllowed(f"{_is_playlist(shown)}; it names {url[:200]!r}", field="input")

    return refuse


def _is_playlist(shown: str) -> str:
    return f"{shown} is a playlist or refers to other files; send the media itself"
