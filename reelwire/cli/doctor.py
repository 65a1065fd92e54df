"""``reelwire doctor``: what this machine has, and why not what it has not."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from reelwire import __version__
from reelwire.cli.console import EXIT_ERROR, out
from reelwire.cli.group import free_ports
from reelwire.engines.registry import REFERENCE
from reelwire.errors import ReelwireError
from reelwire.settings import SHARED_FOLDER, load_settings, read_settings
from reelwire.threads import in_words, thread_count, usable_cores

PACKAGES = (
    "grpcio", "protobuf", "av", "numpy", "opencv-python-headless", "onnx", "onnxruntime", "onnxruntime-gpu",
    "openvino",
)  # fmt: skip
USABLE = "usable"


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
    if not found["backends"][REFERENCE].startswith(USABLE):
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
        "backends": _backends(),
        "threads": _threads(),
        "shared memory": _shared_memory(),
        "free loopback ports": ", ".join(map(str, free_ports(4))),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _backends() -> dict[str, str]:
    """All of them, the best first: ``auto`` takes the first of a GPU that is usable, else the fastest of the
    CPU for each model."""
    from reelwire.engines.select import (
        availability,
    )  # the runtimes' own packages: slow, and they may be missing

    return {
        told.backend: f"{USABLE}, {told.device}" if told.ok else f"no: {told.problem}; fix: {told.fix}"
        for told in availability()
    }


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
