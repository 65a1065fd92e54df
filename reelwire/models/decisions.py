"""What was decided on this machine is kept, so that all its processes decide alike and start fast."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reelwire.cache import default_cache_folder, own_folder, write_whole
from reelwire.engines.onnxruntime_session import RUNTIMES, version_of
from reelwire.errors import BadParameter
from reelwire.threads import usable_cores

log = logging.getLogger(__name__)

FOLDER = "choices"
FORM = 1
"""Of the files: another one is another program's."""
MAX_WAIT_S = 30.0
"""For another process that decides the same; then this one measures as well."""
POLL_S = 0.02
MAX_FILE_BYTES = 64 << 10
_warned: set[str] = set()


def machine_facts() -> dict[str, Any]:
    """What a measured decision depends on besides the model."""
    return {
        "form": FORM,
        "cpu": _processor(),
        "cores": usable_cores(),
        "versions": {name: version_of(name) for name in (*RUNTIMES, "openvino")},
    }


def digest_of(facts: Mapping[str, Any]) -> str:
    """A file's name for them."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


class Decision:
    """One decision's file. Without a folder that can be used nothing is kept, and that is warned of once."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """``facts``: all that it depends on."""
        self._folder = _folder()
        self._name = digest_of(facts)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process decides the same meanwhile, unless it takes longer than ``MAX_WAIT_S``."""
        if self._folder is None:
            yield
            return
        try:
            handle = os.open(self._folder / f"{self._name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            _warn(self._folder, error)
            yield
            return
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)

    def read(self) -> dict[str, Any] | None:
        """None: there is none, or it cannot be read."""
        if self._folder is None:
            return None
        try:
            with self._path.open("rb") as stream:
                found = json.loads(stream.read(MAX_FILE_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning("choice %s cannot be read and is measured again: %s", self._path, error)
            return None
        return found if isinstance(found, dict) else None

    def write(self, decided: Mapping[str, Any]) -> None:
        """Whole or not at all."""
        if self._folder is None:
            return
        try:
            write_whole(self._path, json.dumps(decided, indent=1).encode())
        except OSError as error:
            _warn(self._folder, error)

    @property
    def _path(self) -> Path:
        assert self._folder is not None
        return self._folder / f"{self._name}.json"


def _folder() -> Path | None:
    try:
        return own_folder(own_folder(default_cache_folder()) / FOLDER)
    except BadParameter as error:
        _warn_once(error.message)
        return None


def _warn(folder: Path, error: OSError) -> None:
    _warn_once(f"{folder} cannot be written: {error.strerror}")


def _warn_once(problem: str) -> None:
    if problem not in _warned:
        _warned.add(problem)
        log.warning("which engine is fastest is measured at each start and not kept: %s", problem)


def _lock(handle: int) -> None:
    until = time.monotonic() + MAX_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return
            time.sleep(POLL_S)
        else:
            return


def _processor() -> str:
    """Its name and what it can do: a virtual machine hides the one, and the other decides."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    known = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    found = {key.strip(): value.strip() for key, value in known.items()}
    features = found.get("flags") or found.get("Features", "")
    name = found.get("model name", platform.machine())
    return f"{name} {hashlib.sha256(features.encode()).hexdigest()[:12]}"
