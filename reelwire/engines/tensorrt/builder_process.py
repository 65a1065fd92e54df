"""Builds plans in a process of its own: nine minutes of building, or a crash, never touch a service."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import subprocess
import sys
import threading
from collections import deque
from typing import Any

from reelwire import metrics
from reelwire.engines.tensorrt.order import PlanOrder, PlanReport, error_from_json
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.engines.tensorrt.progress import OnProgress, Progress
from reelwire.errors import Cancelled, ModelUnusable, PlanMissing, Stalled

log = logging.getLogger(__name__)

MODULE = "reelwire.engines.tensorrt.builder"
MAX_BUILD_S = 3600.0
"""One plan, with the wait for another builder of it."""
NEWEST_LINES = 20
"""Of what the library prints; they are told where the process dies."""


class BuilderProcess:
    """One builder at work: started here, ended by ``wait``, ``cancel`` or the end of this process.

    Progress goes to ``on_progress``, from the thread that waits, and to ``reelwire_plan_build_progress``.
    """

    def __init__(
        self, order: PlanOrder, on_progress: OnProgress | None = None, *, max_s: float = MAX_BUILD_S
    ) -> None:
        self._order = order
        self._on_progress = on_progress
        self._max_s = max_s
        self._ended_by = ""
        self._newest: deque[str] = deque(maxlen=NEWEST_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        with contextlib.suppress(BrokenPipeError):  # it died at once: wait() says so
            self._input.write(order.to_line() + "\n")
            self._input.flush()

    @property
    def _input(self) -> Any:
        assert self._process.stdin is not None  # a pipe was asked for
        return self._process.stdin

    def wait(self) -> PlanReport:
        """Until the plan is in the cache. Once only, from any thread.

        Raises as ``build_plan`` and ``PlanCache``; Cancelled: ``cancel`` was called; Stalled: it took more
        than ``max_s``; ModelUnusable: the process died, with what it printed last.
        """
        drain = threading.Thread(target=self._drain, daemon=True)
        limit = threading.Timer(self._max_s, self._end, ("limit",))
        limit.daemon = True
        progress = metrics.PLAN_BUILD_PROGRESS.labels(self._order.model)
        progress.set(0)
        drain.start()
        limit.start()
        try:
            told = self._read()
        finally:
            limit.cancel()
            self._close(drain)
            with contextlib.suppress(KeyError):  # two plans of one model, one after the other
                metrics.PLAN_BUILD_PROGRESS.remove(self._order.model)
        return self._outcome(told)

    def cancel(self) -> None:
        """Ends it now; nothing half-written stays. May be called at any time, from any thread."""
        self._end("cancel")

    def _end(self, why: str) -> None:
        self._ended_by = self._ended_by or why
        self._process.kill()

    def _read(self) -> dict[str, Any]:
        """The last line that tells how it ended; empty: it told nothing."""
        assert self._process.stdout is not None  # a pipe was asked for
        progress = metrics.PLAN_BUILD_PROGRESS.labels(self._order.model)
        for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line) if line.endswith("\n") else {}
            if "fraction" not in told:
                return told
            progress.set(told["fraction"])
            if self._on_progress is not None:
                self._on_progress(Progress(told["fraction"], told["phase"]))
        return {}

    def _drain(self) -> None:
        assert self._process.stderr is not None  # a pipe was asked for
        for line in self._process.stderr:
            self._newest.append(line.strip())

    def _close(self, drain: threading.Thread) -> None:
        """Its standard input ends, and so it does; what is still in the pipes is read."""
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        try:
            self._process.wait(self._max_s)
        except subprocess.TimeoutExpired:
            self._end("limit")
            self._process.wait()
        drain.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _outcome(self, told: dict[str, Any]) -> PlanReport:
        order = self._order
        if "error" in told:
            raise error_from_json(told["error"])
        if "report" in told:
            report = PlanReport(**told["report"])
            if not report.was_there:
                metrics.PLAN_BUILD.labels(order.key.backend, order.model).observe(report.seconds)
                log.info(
                    "built a plan of %s in %.1f s: %d bytes", order.model, report.seconds, report.plan_bytes
                )
            return report
        if self._ended_by == "cancel":
            raise Cancelled(f"building the plan of {order.model} was cancelled")
        if self._ended_by == "limit":
            raise Stalled(
                f"building the plan of {order.model} took more than {self._max_s:g} s and was ended"
            )
        status = self._process.returncode
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        said = next((line for line in reversed(self._newest) if line), "nothing")
        raise ModelUnusable(f"the builder of {order.model}'s plan died ({how}); it said last: {said}")


def obtain_plan(order: PlanOrder, on_progress: OnProgress | None = None) -> bytes:
    """The plan from the cache, built first where it is not there. Raises as ``BuilderProcess.wait``."""
    cache = PlanCache(order.folder)
    found = cache.find(order.key)
    if found is None:
        BuilderProcess(order, on_progress).wait()
        found = cache.find(order.key)
    if found is None:
        raise PlanMissing(
            f"the plan of {order.model} was built and is gone from {order.folder}; fix: see that nothing "
            "else empties that folder"
        )
    return found
