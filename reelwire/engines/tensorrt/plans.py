"""Plans on disk: found again only where everything that they depend on is the same, built once.

A plan is a pair of files, ``DIGEST.plan`` and its sidecar ``DIGEST.json``, written last: a plan without a
sidecar is none. A plan is code that the library runs, so it is loaded only from a folder that nobody else can
write into, and only where its bytes are those that the sidecar says.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelwire.cache import default_cache_folder, own_folder, write_whole
from reelwire.engines.backend import ShapeProfile
from reelwire.errors import PlanMissing

log = logging.getLogger(__name__)

MAX_WAIT_S = 1800.0
"""For another builder of the same plan; the largest models take minutes."""
MAX_FILES_WAIT_S = 60.0
"""For another process to have read or written one plan."""
FILES_LOCK = "files.lock"
POLL_S = 0.05
MOST_PLANS = 64
"""In one folder; the ones longest unused go first."""
FORM = 1
"""Of sidecars: another one is another program's."""


@dataclass(frozen=True, slots=True)
class PlanKey:
    """All that a plan depends on.

    ``sha256``: of the graph and its external data, as ``GraphFacts``. ``compute_capability``: "8.9".
    ``driver``: as the driver says it.
    """

    sha256: str
    backend: str
    library_version: str
    compute_capability: str
    gpu: str
    driver: str
    precision: str
    profiles: tuple[ShapeProfile, ...] = ()

    @property
    def as_json(self) -> dict[str, Any]:
        """The key as a sidecar holds it. Names of profiles are none of it, their order is."""
        profiles = [
            {name: [list(shape) for shape in shapes] for name, shapes in sorted(profile.inputs.items())}
            for profile in self.profiles
        ]
        return {
            "sha256": self.sha256,
            "backend": self.backend,
            "library_version": self.library_version,
            "compute_capability": self.compute_capability,
            "gpu": self.gpu,
            "driver": self.driver,
            "precision": self.precision,
            "profiles": profiles,
        }

    @property
    def digest(self) -> str:
        """64 hexadecimal digits, and the files' name."""
        text = json.dumps(self.as_json, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def default_plan_folder() -> Path:
    """Where plans are kept where nobody said otherwise."""
    return default_cache_folder() / "plans"


class PlanCache:
    """The plans in one folder. Safe for many threads and processes.

    ``folder``: made where it is missing; None: the user's. BadParameter: others could write into it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = own_folder(folder or default_plan_folder())

    def paths(self, key: PlanKey) -> tuple[Path, Path]:
        """A plan's file and its sidecar; neither need be there."""
        return self.folder / f"{key.digest}.plan", self.folder / f"{key.digest}.json"

    def find(self, key: PlanKey) -> bytes | None:
        """The plan's bytes; None where there is none. A damaged pair, or one of another key, is removed with
        a line in the log and counts as none."""
        plan_path, sidecar_path = self.paths(key)
        with self._locked(FILES_LOCK, MAX_FILES_WAIT_S):
            if not sidecar_path.exists():
                return None
            plan, problem = _read(plan_path, sidecar_path, key)
            if not problem:
                os.utime(plan_path)
                return plan
            log.warning("plan %s is not used and is removed: %s", plan_path, problem)
            _remove(plan_path, sidecar_path)
            return None

    def forget(self, key: PlanKey) -> None:
        """Removes it, also where there is none: the library refused what the cache takes for whole."""
        with self._locked(FILES_LOCK, MAX_FILES_WAIT_S):
            _remove(*self.paths(key))

    def store(self, key: PlanKey, plan: bytes) -> None:
        """Keeps it: whole, on the disk, in the place of an older one, the sidecar last."""
        plan_path, sidecar_path = self.paths(key)
        sidecar = {
            "form": FORM,
            "key": key.as_json,
            "plan_sha256": hashlib.sha256(plan).hexdigest(),
            "plan_bytes": len(plan),
            "profile_names": [profile.name for profile in key.profiles],
        }
        with self._locked(FILES_LOCK, MAX_FILES_WAIT_S):
            for left in self.folder.glob(f".{key.digest}.*"):
                left.unlink(missing_ok=True)
            sidecar_path.unlink(missing_ok=True)
            write_whole(plan_path, plan)
            write_whole(sidecar_path, json.dumps(sidecar, indent=1).encode())
            self._forget_oldest(plan_path)

    @contextmanager
    def building(self, key: PlanKey, *, wait_s: float = MAX_WAIT_S) -> Iterator[None]:
        """Held by the one who builds this plan. Who else wants it waits here, and then finds it: look with
        ``find`` again inside. It ends with the process that held it. PlanMissing: not within ``wait_s``."""
        with self._locked(f"{key.digest}.building", wait_s):
            yield

    @contextmanager
    def _locked(self, name: str, wait_s: float) -> Iterator[None]:
        """flock knows processes and, through a descriptor for each, threads; the system gives it back when a
        process dies. It has no wait with a bound of its own."""
        handle = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + wait_s
            while not _taken(handle):
                if time.monotonic() >= until:
                    raise PlanMissing(
                        f"{self.folder / name} has been held by another builder for more than {wait_s:g} s; "
                        "fix: wait for it to end, or end it"
                    )
                time.sleep(POLL_S)
            yield
        finally:
            os.close(handle)

    def _forget_oldest(self, kept: Path) -> None:
        plans = [path for path in self.folder.glob("*.plan") if path != kept]
        plans.sort(key=_last_used, reverse=True)
        for path in plans[MOST_PLANS - 1 :]:
            log.info("plan %s was used longest ago and is removed", path)
            _remove(path, path.with_suffix(".json"))
            path.with_suffix(".building").unlink(missing_ok=True)


def _read(plan_path: Path, sidecar_path: Path, key: PlanKey) -> tuple[bytes, str]:
    """The plan, and why it must not be used."""
    try:
        sidecar = json.loads(sidecar_path.read_bytes())
        plan = plan_path.read_bytes()
    except (OSError, ValueError) as error:
        return b"", f"it cannot be read ({error})"
    if not isinstance(sidecar, dict) or sidecar.get("form") != FORM:
        return b"", "its sidecar is of another form"
    if sidecar.get("key") != key.as_json:
        return b"", "its sidecar is that of another plan"
    if sidecar.get("plan_sha256") != hashlib.sha256(plan).hexdigest():
        return b"", f"its {len(plan)} bytes are not those that were built"
    return plan, ""


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove(plan_path: Path, sidecar_path: Path) -> None:
    """The sidecar first: without one a plan is none."""
    sidecar_path.unlink(missing_ok=True)
    plan_path.unlink(missing_ok=True)
