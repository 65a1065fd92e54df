"""What the command line accepts as input, and what its own services may therefore open."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from reelwire.client.source import STDIN, TEXT_PREFIX
from reelwire.errors import InputNotFound

TEST_PREFIX = "testsrc:"
DEVICES = "/dev/"
URL_SCHEMES = ("http", "https", "rtmp", "udp")


def check_source(source: str, connect_to: str) -> None:
    """InputNotFound: a file that is nowhere, before anything is started. What services that run already can
    see is theirs to say."""
    scheme = source.partition(":")[0] if ":" in source else ""
    if source == STDIN or source.startswith((TEXT_PREFIX, TEST_PREFIX, DEVICES)) or scheme.isalnum():
        return
    path = Path(source)
    if path.is_dir():
        raise InputNotFound(f"{source} is a folder; expected a file", field="input")
    if not path.exists() and not connect_to:
        raise InputNotFound(
            f"{source} does not exist; expected a file, a URL or {TEST_PREFIX}", field="input"
        )


def own_environment(source: str = "", models: str = "") -> dict[str, str]:
    """Settings for services that belong to this command: whoever types it may open what it names. What the
    environment says already holds. InputNotFound: no such folder of models."""
    environment = {"REELWIRE_ASSET_ROOT": os.environ.get("REELWIRE_ASSET_ROOT") or os.getcwd()}
    if models:
        folder = Path(models)
        if not folder.is_dir():
            raise InputNotFound(f"--models {models} is no folder", field="models")
        known = os.environ.get("REELWIRE_MODEL_PATH", "")
        environment["REELWIRE_MODEL_PATH"] = ":".join(part for part in (str(folder.resolve()), known) if part)
    parts = urlsplit(source) if "://" in source else None
    if parts is not None and parts.scheme in URL_SCHEMES and not os.environ.get("REELWIRE_INPUT_URLS"):
        environment["REELWIRE_INPUT_URLS"] = f"{parts.scheme}://{parts.netloc}"
    if source.startswith(DEVICES) and not os.environ.get("REELWIRE_INPUT_DEVICES"):
        environment["REELWIRE_INPUT_DEVICES"] = source
    return environment
