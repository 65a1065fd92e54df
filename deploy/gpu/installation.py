"""What is there: a GPU, its driver, the backends, and whether what is installed is what was pinned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from deploy.gpu.report import Result, failed, held, skipped
from reelwire.engines.backend import Availability
from reelwire.engines.tensorrt.libraries import ENTERPRISE, RTX
from reelwire.engines.tensorrt.preflight import Gpu

EXTRAS = {
    "tensorrt": 'pip install --extra-index-url https://pypi.nvidia.com "reelwire[cuda,tensorrt]"',
    "tensorrt-rtx": RTX.fix,
    "cuda": 'pip uninstall -y onnxruntime && pip install "reelwire[cuda]"',
}
"""How each is installed. TensorRT's libraries lie on NVIDIA's own index."""
MODULES = {"tensorrt": ENTERPRISE.module, "tensorrt-rtx": RTX.module}
PIN = re.compile(
    r"""^(?P<name>[\w.-]+)(?:\[[^\]]*\])?==(?P<pin>[^\s;]+)\s*;.*extra == ['"](?P<extra>[\w-]+)['"]"""
)


def preflight(gpu: Gpu, told: Sequence[Availability]) -> Iterator[Result]:
    """The driver is asked, then each backend."""
    yield held(
        gpu.ok,
        "GPU",
        f"{gpu.problem}; fix: {gpu.fix}",
        **{"name": gpu.name, "compute_capability": gpu.compute_capability, "cuda": gpu.driver}
        if gpu.ok
        else {},
    )
    for each in told:
        if each.ok:
            yield held(True, each.backend, "", device=each.device)
        else:
            fix = each.fix if each.installed else EXTRAS[each.backend]
            yield skipped(each.backend, f"{each.problem}; fix: {fix}")


def versions(backends: Sequence[str]) -> Iterator[Result]:
    """Of each distribution that an extra pins."""
    pinned = pins()
    for backend in backends:
        found = {name: _installed(name) for name in pinned[backend]}
        wrong = [
            f"{n} is {v or 'missing'}, pinned {pinned[backend][n]}"
            for n, v in found.items()
            if v != pinned[backend][n]
        ]
        if not wrong:
            yield held(True, backend, "", **found)
        elif not any(found[name] for name in found if name != "cuda-python"):
            yield skipped(backend, f"not installed; fix: {EXTRAS[backend]}")
        else:
            yield failed(backend, f"{', '.join(wrong)}; fix: {EXTRAS[backend]}")


def pins() -> dict[str, dict[str, str]]:
    """Version by distribution, by extra: from the metadata of reelwire as it is installed."""
    found: dict[str, dict[str, str]] = {extra: {} for extra in EXTRAS}
    for line in requires("reelwire") or ():
        match = PIN.match(line)
        if match and match["extra"] in found:
            found[match["extra"]][match["name"]] = match["pin"]
    return found


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
