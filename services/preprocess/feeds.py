"""Addresses → open inputs: http(s) through our own reader, udp and rtmp through libavformat's protocols."""

from __future__ import annotations

import av

from reelwire.errors import InputNotAllowed, InputNotFound, Unavailable
from reelwire.settings import Settings
from services.preprocess.addresses import Address, AllowList
from services.preprocess.containers import decoder_limits, open_container
from services.preprocess.http_file import HttpFile
from services.preprocess.opened import OpenInput, reason_of

TIMEOUTS_S = (5.0, 10.0)  # to connect, and once more to find the streams; then for each read
CAMERA_FORMAT = "video4linux2"
_FEEDS = {  # scheme → the one container that is read from it, and the protocols that may be used for it
    "udp": ("mpegts", "udp"),
    "rtmp": ("flv", "rtmp,tcp"),
}
_HLS = {"http_persistent": "0", "http_multiple": "0"}  # these need libavformat's own connections


def open_address(url: str, settings: Settings) -> OpenInput:
    """InputNotAllowed, BadParameter: see ``AllowList``. InputNotFound, Unavailable: nobody serves it."""
    allowed = AllowList.of(settings)
    address = allowed.check(url)
    if address.scheme in _FEEDS:
        return _open_feed(address, settings)
    return _open_http(address.url, allowed, settings)


def open_device(name: str, settings: Settings) -> OpenInput:
    """A camera. InputNotAllowed: not on the list. InputNotFound: it does not open."""
    listed = [text.strip() for text in settings.input_devices.split(",") if text.strip()]
    if name not in listed:
        raise InputNotAllowed(
            f"device {name!r} is not allowed; the operator lists those that are in REELWIRE_INPUT_DEVICES",
            field="input.url",
        )
    try:
        container = av.open(name, format=CAMERA_FORMAT, timeout=TIMEOUTS_S)
    except (av.FFmpegError, ValueError) as error:
        raise InputNotFound(f"device {name}: {reason_of(error)}", field="input.url") from None
    return OpenInput(container, name, realtime=True, connection="feed")


def _open_feed(address: Address, settings: Settings) -> OpenInput:
    format_, protocols = _FEEDS[address.scheme]
    options = {"protocol_whitelist": protocols, **decoder_limits(settings)}
    try:
        container = av.open(
            address.url, format=format_, options=options, timeout=TIMEOUTS_S, metadata_errors="replace"
        )
    except (av.FFmpegError, ValueError, OSError) as error:
        raise Unavailable(f"{address.url}: {reason_of(error)}") from None
    return OpenInput(
        container, address.url, realtime=True, connection="feed" if address.scheme == "udp" else "stream"
    )


def _open_http(url: str, allowed: AllowList, settings: Settings) -> OpenInput:
    file = HttpFile(url, allowed)

    def open_nested(nested: str, flags: int, options: dict[str, str]) -> HttpFile:
        """What a playlist names."""
        del flags
        end = int(options.get("end_offset", 0))
        return HttpFile(nested, allowed, start=int(options.get("offset", 0)), end=end or None)

    try:
        container = open_container(
            file,
            url,
            io_open=open_nested,
            options={"protocol_whitelist": "http,https", **_HLS, **decoder_limits(settings)},
            timeout=TIMEOUTS_S,
        )
    except BaseException:
        file.close()
        raise
    playlist = container.format.name.split(",")[0] in ("hls", "dash")
    realtime = playlist and not container.duration
    return OpenInput(container, url, realtime=realtime, connection="stream", on_close=file.close)
