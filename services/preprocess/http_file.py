"""A file behind http(s), read with ranges. Each address, after redirects too, is checked before it is asked.

Not libavformat's own HTTP: it follows redirects and playlists without asking.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
from typing import Any
from urllib.parse import urljoin, urlsplit

from reelwire.errors import InputDamaged, InputNotAllowed, InputNotFound, ReelwireError, Unavailable
from services.preprocess.addresses import AllowList
from services.preprocess.opened import reason_of

MAX_REDIRECTS = 5
TIMEOUT_S = 10.0  # to connect, and for each read
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE = (401, 403, 404, 410)
_READ_ON_BYTES = 1 << 18  # a seek ahead by less reads over it instead of asking anew


class HttpFile:
    """Read, seek and tell for libavformat, over bytes ``start`` to ``end`` (None: the last) of a URL."""

    def __init__(self, url: str, allowed: AllowList, *, start: int = 0, end: int | None = None) -> None:
        """Asks at once. InputNotAllowed, InputNotFound, Unavailable: it cannot be had."""
        self._allowed = allowed
        self._start = start
        self._end = end
        self._url = url
        self._connection: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self._response_at = start  # the byte that the response gives next
        self._at = start  # the byte that is asked for next
        self._ranges = False
        self._ask(start)
        self.name = self._url

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """The server gives ranges, and the end is known."""
        return self._ranges and self._end is not None

    def read(self, count: int = -1) -> bytes:
        """At most ``count`` bytes; empty at the end. Unavailable: the connection broke."""
        left = None if self._end is None else max(0, self._end - self._at)
        if count < 0:
            count = _READ_ON_BYTES
        count = count if left is None else min(count, left)
        if not count:
            return b""
        self._go_to_place()
        data = self._receive(count)
        if not data and left:
            raise Unavailable(f"{self._url} broke off at byte {self._at} of {self._end}")
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Nothing is asked for before it is read. OSError: the server gives no ranges."""
        base = {0: self._start, 1: self._at, 2: self._end or 0}[whence]
        if base + offset != self._at and not self.seekable():
            raise OSError(f"{self._url}: the server gives no ranges")
        self._at = max(self._start, base + offset)
        return self._at - self._start

    def tell(self) -> int:
        """Where it is read next."""
        return self._at - self._start

    def close(self) -> None:
        """Hangs up."""
        self._hang_up()

    def _go_to_place(self) -> None:
        ahead = self._at - self._response_at
        if self._response is not None and 0 <= ahead <= _READ_ON_BYTES:
            while self._response_at < self._at and self._receive(self._at - self._response_at):
                pass
        if self._response is None or self._response_at != self._at:
            self._hang_up()
            self._ask(self._at)

    def _receive(self, count: int) -> bytes:
        assert self._response is not None
        try:
            data = self._response.read(count)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._url} broke off: {reason_of(error)}") from None
        self._response_at += len(data)
        return data

    def _ask(self, at: int) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            response = self._request(at)
            if response.status in _REDIRECTS and response.getheader("Location"):
                self._url = urljoin(self._url, str(response.getheader("Location")))
                self._hang_up()
                continue
            self._take(response, at)
            return
        raise Unavailable(f"{self._url}: more than {MAX_REDIRECTS} redirects")

    def _request(self, at: int) -> http.client.HTTPResponse:
        address = self._allowed.check(self._url)
        parts = urlsplit(self._url)
        if address.scheme not in ("http", "https"):
            raise InputNotAllowed(f"{self._url} is no http(s); expected it inside http(s)", field="input.url")
        arguments: dict[str, Any] = {"timeout": TIMEOUT_S}
        if address.scheme == "https":
            arguments["context"] = ssl.create_default_context()
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(address.host, address.port or None, **arguments)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            self._connection.request("GET", path, headers={"Range": f"bytes={at}-", "User-Agent": "reelwire"})
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            raise Unavailable(f"{self._url} cannot be reached: {reason_of(error)}") from None

    def _take(self, response: http.client.HTTPResponse, at: int) -> None:
        if response.status not in (200, 206) or (response.status == 200 and at):
            self._hang_up()
            raise _refusal(self._url, response)
        length = response.getheader("Content-Length", "")
        if response.status == 206:
            total = str(response.getheader("Content-Range", "")).rpartition("/")[2]
            self._ranges, size = True, int(total) if total.isdigit() else None
        else:
            size = int(length) if length.isdigit() else None
        if size is not None:
            self._end = size if self._end is None else min(size, self._end)
        self._response, self._response_at = response, at

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):
            if self._connection is not None:
                self._connection.close()
        self._connection = self._response = None


def _refusal(url: str, response: http.client.HTTPResponse) -> ReelwireError:
    said = f"{url}: the server says {response.status} {response.reason}"
    if response.status in _GONE:
        return InputNotFound(said, field="input.url")
    if response.status == 416:
        return InputDamaged(f"{url} is empty", field="input.url")
    return Unavailable(said)
