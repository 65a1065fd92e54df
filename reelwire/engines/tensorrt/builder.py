"""The process that builds one plan: ``python -P -m reelwire.engines.tensorrt.builder``.

Reads one line, a ``PlanOrder``, from standard input, and ends when that ends: no builder outlives who wants
the plan. Writes lines of JSON: {"fraction", "phase"} as it goes, then {"report"} or {"error"}. Exit status 0,
or 1 after an error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

from reelwire.engines.graph import read_graph
from reelwire.engines.tensorrt.build import BuildOrder, Built, build_plan, timing_cache_file
from reelwire.engines.tensorrt.order import PlanOrder, PlanReport, error_as_json
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.engines.tensorrt.progress import Progress
from reelwire.errors import BackendMissing, ModelUnusable, ReelwireError

NICE = 15
"""Below every service of the machine."""
ORPHANED = 3
"""Exit status when nobody wants the plan any more."""
WAITING = "Waiting for another builder of this plan"
Say = Callable[[dict[str, Any]], None]


def main() -> int:
    """The whole process."""
    os.nice(NICE)
    say = _say_on_stdout()
    order = PlanOrder.from_line(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        report = obtain(order, say)
    except ReelwireError as error:
        say({"error": error_as_json(error)})
        return 1
    say({"report": asdict(report)})
    return 0


def obtain(order: PlanOrder, say: Say) -> PlanReport:
    """Builds and keeps the plan, unless another builder has meanwhile. Raises as ``build_plan``;
    ModelUnusable: the file is no longer the one that the key is of."""
    cache = PlanCache(order.folder)
    say({"fraction": 0.0, "phase": WAITING})
    with cache.building(order.key):
        found = cache.find(order.key)
        if found is not None:
            return PlanReport(len(found), was_there=True)
        got = read_graph(order.graph).sha256
        if got != order.key.sha256:
            raise ModelUnusable(
                f"{order.graph} has sha256 {got}, expected {order.key.sha256}; it was changed meanwhile: "
                "load the model again"
            )
        built = _build(order, say)
        cache.store(order.key, built.plan)
        return PlanReport(len(built.plan), built.activation_bytes, built.seconds)


def _build(order: PlanOrder, say: Say) -> Built:
    key = order.key
    timing = timing_cache_file(order.folder, key.backend, key.compute_capability, key.library_version)
    wanted = BuildOrder(order.graph, key.profiles, timing)

    def tell(progress: Progress) -> None:
        say({"fraction": progress.fraction, "phase": progress.phase})

    return build_plan(_library(order), wanted, tell)


def _library(order: PlanOrder) -> Any:
    """The module, of the version that the key is of."""
    try:
        trt = importlib.import_module(order.library)
    except (ImportError, OSError) as error:
        raise BackendMissing(f"{order.library} cannot be imported: {error}", field="backend") from None
    if trt.__version__ != order.key.library_version:
        raise BackendMissing(
            f"{order.library} is {trt.__version__}, expected {order.key.library_version}: it was updated "
            "meanwhile; fix: start the service again",
            field="backend",
        )
    return trt


def _say_on_stdout() -> Say:
    """Lines on what was standard output. The library prints there too, past Python: that goes to standard
    error from here on."""
    lines: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(told: dict[str, Any]) -> None:
        with lock:
            lines.write(json.dumps(told) + "\n")

    return say


def _end_with_stdin() -> None:
    """Nothing is half-written then: plans appear whole, and the system gives the lock back."""
    while os.read(0, 1):  # not sys.stdin: Python cannot end while another thread reads that
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
