#!/usr/bin/env python3
"""Everything that can only be proved on a machine with a GPU, in one run.

    python -m deploy.gpu_acceptance --out report.json
    python -m deploy.gpu_acceptance --fake
    python -m deploy.gpu_acceptance --only parity --only latency --models my-models

One line for each check: PASS, FAIL or SKIP, with figures and why. Exit status 0: nothing failed; 1: something
did; 3: no GPU, or nothing installed that runs on it, with the fix. --fake runs the same code against a strict
fake of TensorRT and CUDA; what that cannot show is skipped.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__" and not __package__:  # python deploy/gpu_acceptance.py
    sys.path[0] = str(ROOT)

from deploy.gpu import checks, installation  # noqa: E402
from deploy.gpu.checks import CHECKS, Day, run  # noqa: E402
from deploy.gpu.day import fake_targets, prepared, real_targets  # noqa: E402
from deploy.gpu.report import Report  # noqa: E402
from reelwire import __version__  # noqa: E402
from reelwire.engines.registry import backend  # noqa: E402
from reelwire.engines.tensorrt.preflight import find_gpu  # noqa: E402
from reelwire.models.library import SHIPPED  # noqa: E402

BACKENDS = ("tensorrt", "tensorrt-rtx", "cuda")
PREFLIGHT = "preflight"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="gpu_acceptance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, metavar="FILE", help="the report, as JSON")
    add("--models", type=Path, default=SHIPPED, metavar="DIR", help="model folders (default: what ships)")
    add("--only", action="append", choices=checks.NAMES, metavar="CHECK", help="this one; may be repeated")
    add("--list", action="store_true", help="name the checks and end")
    add("--fake", action="store_true", help="against a fake of TensorRT and CUDA, without a GPU")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit status."""
    given = build_parser().parse_args(arguments)
    if given.list:
        for check in CHECKS:
            print(f"{check.name:15} {check.about}")
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    report = Report(_facts(given), given.out)
    if given.fake:
        report.add(checks.skipped("GPU", "a fake stands in for it"), PREFLIGHT, "", 0.0)
    else:
        _preflight(report)
    if not report.stopped:
        _run_all(given, report)
    print(report.summary)
    report.write()
    return report.exit_status


def _preflight(report: Report) -> None:
    """Nothing of NVIDIA's is imported before it."""
    gpu, told = find_gpu(), [backend(name).probe() for name in BACKENDS]
    for result in installation.preflight(gpu, told):
        report.add(result, PREFLIGHT, "", 0.0)
    report.stopped = not any(each.ok for each in told)


def _run_all(given: argparse.Namespace, report: Report) -> None:
    # builders are processes that import the fake by its name
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = path
    try:
        with tempfile.TemporaryDirectory(prefix="gpu-acceptance-") as folder:
            targets, fakes = fake_targets() if given.fake else (real_targets(BACKENDS), ())
            with prepared(targets, fakes, given.models, Path(folder), report) as day:
                _run(given.only, day, report)
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _run(only: Sequence[str] | None, day: Day, report: Report) -> None:
    for check in CHECKS:
        if check.name != PREFLIGHT and (not only or check.name in only):
            run(check, day, report)


def _facts(given: argparse.Namespace) -> dict[str, object]:
    gpu = find_gpu()
    return {
        "fake": given.fake,
        "reelwire": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "only": given.only or [],
        "gpu": {"name": gpu.name, "compute_capability": gpu.compute_capability, "cuda": gpu.driver},
    }


if __name__ == "__main__":
    sys.exit(main())
