"""Looks for new versions of models while a service runs."""

from __future__ import annotations

import logging
import threading

from reelwire.models.library import ModelLibrary

log = logging.getLogger(__name__)
STOP_S = 60.0
"""A model that is just being loaded is waited for at most this long at the end."""


class Watcher:
    """One thread that refreshes a library every ``every_s`` seconds; 0: never."""

    def __init__(self, library: ModelLibrary, every_s: float) -> None:
        self._library = library
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model versions", daemon=True)
        if every_s > 0:
            self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._library.refresh()
            except Exception:  # a folder may vanish under its feet; the next look may fare better
                log.exception("looking for new model versions failed")
