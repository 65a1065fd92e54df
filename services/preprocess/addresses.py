"""Which URLs may be opened: by scheme, host and port as parsed, never by how the text begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from reelwire.errors import BadParameter, InputNotAllowed
from reelwire.settings import Settings

SCHEMES = ("http", "https", "rtmp", "udp")
_DEFAULT_PORTS = {"http": 80, "https": 443, "rtmp": 1935}
_ALLOWED_CHARACTERS = re.compile(r"[!-~]+")  # printable ASCII without the space
_FORBIDDEN = frozenset("\\\"'`<>^{|}")
MAX_URL_CHARACTERS = 2048


@dataclass(frozen=True)
class Address:
    """A URL's parts that decide, and the URL as it is given to whoever opens it. ``port`` 0: none said."""

    scheme: str
    host: str
    port: int
    url: str


def read_address(url: str) -> Address:
    """InputNotAllowed: a scheme that is never opened. BadParameter: no URL, or one that can be read in two
    ways."""
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise InputNotAllowed(
            f'scheme "{scheme[:20]}" is not allowed; expected {", ".join(SCHEMES)}, a path, or testsrc:',
            field="input.url",
        )
    if len(url) > MAX_URL_CHARACTERS or not _ALLOWED_CHARACTERS.fullmatch(url) or _FORBIDDEN & set(url):
        raise BadParameter(
            f"{url[:80]!r} is no URL: expected at most {MAX_URL_CHARACTERS} ASCII characters without spaces, "
            "quotes and backslashes",
            field="input.url",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError as error:
        raise BadParameter(f"{url!r} is no URL: {error}", field="input.url") from None
    if not host or "@" in parts.netloc or "%" in parts.netloc:
        raise BadParameter(
            f"{url!r}: expected {parts.scheme}://HOST[:PORT]/… without a user name", field="input.url"
        )
    if parts.scheme == "udp" and (parts.query or parts.fragment or parts.path not in ("", "/") or not port):
        raise BadParameter(f"{url!r}: expected udp://HOST:PORT and nothing more", field="input.url")
    return Address(parts.scheme, host.rstrip(".").lower(), port, url)


@dataclass(frozen=True)
class AllowList:
    """Parsed REELWIRE_INPUT_URLS."""

    entries: tuple[Address, ...]

    @classmethod
    def of(cls, settings: Settings) -> AllowList:
        """BadParameter: an entry that is no scheme://host[:port]."""
        texts = [text.strip() for text in settings.input_urls.split(",") if text.strip()]
        return cls(tuple(_entry(text) for text in texts))

    def check(self, url: str) -> Address:
        """The URL's parts. InputNotAllowed: not on the list. BadParameter: no URL."""
        address = read_address(url)
        if not any(_matches(entry, address) for entry in self.entries):
            raise InputNotAllowed(
                f"{address.scheme}://{address.host} is not allowed; the operator lists what is in "
                "REELWIRE_INPUT_URLS",
                field="input.url",
            )
        return address


def _entry(text: str) -> Address:
    """An entry may have a path, which does not count: who may reach a host may reach all of it."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError as error:
        raise BadParameter(f"REELWIRE_INPUT_URLS: {text!r}: {error}", field="REELWIRE_INPUT_URLS") from None
    if parts.scheme not in SCHEMES or not host:
        raise BadParameter(
            f"REELWIRE_INPUT_URLS: {text!r}; expected {'|'.join(SCHEMES)}://HOST[:PORT], with commas",
            field="REELWIRE_INPUT_URLS",
        )
    return Address(parts.scheme, host.rstrip(".").lower(), port, text)


def _matches(entry: Address, address: Address) -> bool:
    if (entry.scheme, entry.host) != (address.scheme, address.host):
        return False
    default = _DEFAULT_PORTS.get(address.scheme, 0)
    return not entry.port or entry.port == (address.port or default)
