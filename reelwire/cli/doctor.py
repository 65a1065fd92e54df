"""``reelwire doctor``: what this machine has, and why not what it has not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from reelwire import __version__
from reelwire.cli.console import EXIT_ERROR, out
from reelwire.cli.group import free_ports
from reelwire.errors import ReelwireError
from reelwire.settings import SHARED_FOLDER, load_settings, read_settings
from reelwire.threads import in_words, thread_count, usable_cores

PACKAGES = ("grpcio", "protobuf", "av", "numpy", "opencv-python-headless", "onnx", "onnxruntime", "openvino")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check versions, backends and why not GPU, shared memory, ports.

    Exit status 1: models cannot run here; it says why.

    reelwire doctor --json
    """
    found = examine()
    if as_json:
        out.print(json.dumps(found, indent=2), markup=False)
    else:
        _show(found)
    if found["backends"]["onnxruntime"].startswith("no"):
        raise typer.Exit(EXIT_ERROR)


def _show(found: Mapping[str, Any]) -> None:
    for name, value in found.items():
        if isinstance(value, dict):
            out.print(f"{name}:", markup=False)
            for key, each in value.items():
                out.print(f"  {key}: {each}", markup=False)
        else:
            out.print(f"{name}: {value}", markup=False)


def examine() -> dict[str, Any]:
    """All that doctor says, as plain data."""
    return {
        "reelwire": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: _version(name) for name in PACKAGES},
        "backends": {"onnxruntime": _backend(), "gpu": _gpu()},
        "threads": _threads(),
        "shared memory": _shared_memory(),
        "free loopback ports": ", ".join(map(str, free_ports(4))),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _backend() -> str:
    from reelwire.engines.select import usable_backends  # the runtime itself: slow, and it may be missing

    try:
        return f"usable: {', '.join(each.name for each in usable_backends())}"
    except ReelwireError as error:
        return f"no: {error.message}"


def _gpu() -> str:
    if not Path("/dev/nvidiactl").exists():
        return "no: /dev/nvidiactl is missing, so there is no NVIDIA driver here"
    if _version("onnxruntime-gpu") == "not installed":
        return 'no: onnxruntime-gpu is not installed; pip install "reelwire[cuda]" instead of [cpu]'
    return "a driver and onnxruntime-gpu are there; this version runs models on the CPU"


def _threads() -> dict[str, str]:
    """What services that this shell starts take; see docs/settings.md."""
    try:
        settings = load_settings()
    except ReelwireError as error:
        return {"no": error.message}
    return {
        "usable cores": str(usable_cores()),
        "an inference": f"{in_words(thread_count(settings.engine_threads))} (REELWIRE_ENGINE_THREADS)",
        "a video encoder": f"{in_words(settings.codec_threads)} (REELWIRE_CODEC_THREADS)",
        "a decoder": in_words(1),
    }


def _shared_memory() -> str:
    try:
        folder = read_settings().shm_dir
    except ReelwireError:  # said on a line of its own
        folder = SHARED_FOLDER
    if not folder.is_dir():
        return f"no {folder}: pixels go in messages"
    usage = shutil.disk_usage(folder)
    return f"{usage.free >> 20} of {usage.total >> 20} MiB free in {folder}"
