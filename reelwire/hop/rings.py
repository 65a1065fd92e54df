"""The rings of one stream, as one process has them: its own, and those of its neighbours that it can read.

Every reader maps a ring before it accepts, and writes a nonce into it. Whoever hands slots to it looks for
the nonce in its own mapping: only the same memory shows it, never a copy of the file on another machine.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from reelwire.hop.place import SHARED_MEMORY
from reelwire.hop.ring import Ring
from reelwire.hop.ring_file import RingFile
from reelwire.hop.slots import MappedRing
from reelwire.settings import SHARED_FOLDER, Settings
from reelwire.v1 import config_pb2 as config
from reelwire.v1.pipeline_pb2 import Attached

log = logging.getLogger(__name__)

READERS = ("preprocess", "generator", "editor", "encoder", "client")
MAX_RINGS = 8  # of one stream: one for each process that it goes through


@dataclass(frozen=True)
class PixelPolicy:
    """Where pixels may lie, as the settings say. ``ring_bytes``: most that one stream's ring may take."""

    pinned: str = ""
    folder: Path = SHARED_FOLDER
    ring_bytes: int = 256 << 20

    @property
    def shares(self) -> bool:
        """True where shared memory may be tried."""
        return self.pinned in ("", SHARED_MEMORY) and self.folder.is_dir()


def pixel_policy(settings: Settings) -> PixelPolicy:
    """As REELWIRE_PIXELS, REELWIRE_SHM_DIR and REELWIRE_RING_BYTES say."""
    pinned = "" if settings.pixels == "auto" else settings.pixels
    return PixelPolicy(pinned, settings.shm_dir, settings.ring_bytes)


@dataclass
class StreamRings:
    """``reader``: whose rings these are, a stage or "client".

    What touches the disk runs on other threads, and a stream may end meanwhile: nothing is made or mapped
    once it is closed, or it would stay for as long as the process lives.
    """

    reader: str
    policy: PixelPolicy
    own: Ring | None = None
    mapped: dict[str, MappedRing] = field(default_factory=dict)
    offered: tuple[config.Ring, ...] = ()
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def folder(self) -> Path:
        """Where ring files are."""
        return self.policy.folder

    @property
    def pinned(self) -> bool:
        """True where pixels must lie in shared memory."""
        return self.policy.pinned == SHARED_MEMORY

    def create(
        self, on_fallback: Callable[[str], None], slots: int = 0, size_bytes: int = 1
    ) -> config.Ring | None:
        """A ring to write, with room for so many frames of that size; None: shared memory is not wanted, or
        not to be had, of which ``on_fallback`` is told. Touches the disk."""
        if not self.policy.shares:
            return None
        with self._lock:
            return None if self._closed else self._create(on_fallback, slots, size_bytes)

    def _create(self, on_fallback: Callable[[str], None], slots: int, size_bytes: int) -> config.Ring | None:
        ring = None
        try:
            ring = Ring(self.folder, self.policy.ring_bytes)
            ring.reserve(slots, size_bytes)
        except OSError as error:
            if ring is not None:
                ring.close()
            text = (
                f"{self.folder} has no room for a ring of {slots} frames of {size_bytes} bytes: "
                f"{error.strerror}; pixels go in the messages (REELWIRE_SHM_DIR)"
            )
            log.warning("%s", text)
            on_fallback(text)
            return None
        self.own = ring
        self.mapped[ring.name] = MappedRing(ring.file, ring.name)
        return config.Ring(name=ring.name, token=ring.file.token, owner=self.reader)

    def give_up_own(self) -> None:
        """Nobody else can read it."""
        with self._lock:
            self._give_up_own()

    def _give_up_own(self) -> None:
        if self.own is not None:
            del self.mapped[self.own.name]
            self.own.close()
            self.own = None

    def take(self, offered: Iterable[config.Ring]) -> list[Attached]:
        """Maps the rings of a config, as far as they are here: the caller can read all of them. Touches the
        disk."""
        rings = tuple(offered)[:MAX_RINGS]
        introduced = self.map(rings)
        self.offered = tuple(ring for ring in rings if ring.name in self.mapped)
        return introduced

    def map(self, offered: Iterable[config.Ring]) -> list[Attached]:
        """Maps what can be mapped, and introduces itself there. Touches the disk."""
        with self._lock:
            return [] if self._closed or not self.policy.shares else self._map(tuple(offered)[:MAX_RINGS])

    def _map(self, offered: tuple[config.Ring, ...]) -> list[Attached]:
        introduced = []
        for ring in offered:
            try:
                mapped = MappedRing.open(self.folder, ring.name, ring.token)
            except PermissionError as error:
                log.warning("the ring of %s cannot be read, run as the same user: %s", ring.owner, error)
                continue
            except OSError as error:
                log.debug("ring of %s: %s", ring.owner, error)
                continue
            self.mapped[ring.name] = mapped
            reader = READERS.index(self.reader)
            introduced.append(Attached(ring=ring.name, reader=reader, nonce=mapped.introduce(reader)))
        return introduced

    def confirmed(self, introduced: Iterable[Attached]) -> set[str]:
        """Which rings a neighbour really shares: its nonce stands in them. It is told so, in the ring."""
        names = set()
        for attached in tuple(introduced)[:MAX_RINGS]:
            file = self._file(attached.ring)
            if file is not None and file.confirm(attached.reader, attached.nonce):
                names.add(attached.ring)
        return names

    def _file(self, name: str) -> RingFile | None:
        ring = self.mapped.get(name)
        return None if ring is None else ring.file

    def echoed(self) -> set[str]:
        """Rings of the config whose owner, or another reader, has found this process in them."""
        return {ring.name for ring in self.offered if self.mapped[ring.name].is_echoed}

    def shares_with(self, owner: str) -> bool:
        """True where this process has mapped the ring of ``owner``."""
        return any(ring.owner == owner for ring in self.offered)

    def mapped_by_all(self) -> None:
        """Everybody who will ever read the own ring has mapped it: its name goes."""
        if self.own is not None:
            self.own.unlink()

    def close(self) -> None:
        """Lets go of all, and of what another thread is just making. Views that somebody still holds stay
        good."""
        with self._lock:
            self._closed = True
            if self.own is not None:
                self.own.close()
            for ring in self.mapped.values():
                ring.close()
            self.own, self.offered = None, ()
            self.mapped.clear()
