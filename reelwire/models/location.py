"""Where models lie: folders of folders, versions in folders of their own, or plain .onnx files.

<folder>/<name>/model.onnx              with model.toml beside it
<folder>/<name>/<any>.onnx              the only .onnx file of that folder
<folder>/<name>/<version>/model.onnx
<folder>/<name>.onnx
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from reelwire.errors import InputNotFound, ModelUnusable
from reelwire.models.manifest import MANIFEST_NAME, NAME_PATTERN

GRAPH_NAME = "model.onnx"
NAME = re.compile(NAME_PATTERN)
Stamp = tuple[tuple[str, int, int], ...]
"""Path, time of change in nanoseconds and size of each file."""


@dataclass(frozen=True, slots=True)
class ModelLocation:
    """One version of one model on disk. ``version`` is its folder's name, empty where it has none.
    ``manifest`` may not exist."""

    name: str
    version: str
    graph: Path
    manifest: Path

    @property
    def stamp(self) -> Stamp:
        """Changes when the files change: all of a folder, as weights, variants and the sample are files of
        their own, which may arrive after the graph."""
        found = []
        with contextlib.suppress(OSError):  # missing, or just being replaced
            whole = self.manifest.name == MANIFEST_NAME
            for file in sorted(self.graph.parent.iterdir()) if whole else (self.graph, self.manifest):
                with contextlib.suppress(OSError):
                    status = file.stat()
                    if S_ISREG(status.st_mode) and not file.name.startswith("."):
                        found.append((str(file), status.st_mtime_ns, status.st_size))
        return tuple(found)


def graph_in(folder: Path) -> Path | None:
    """model.onnx, or the only .onnx file; None: neither. ModelUnusable: several."""
    if (folder / GRAPH_NAME).is_file():
        return folder / GRAPH_NAME
    graphs = sorted(file for file in folder.glob("*.onnx") if file.is_file())
    if len(graphs) > 1:
        names = ", ".join(file.name for file in graphs)
        raise ModelUnusable(f"{folder.name} holds several graphs ({names}); name the one to use {GRAPH_NAME}")
    return graphs[0] if graphs else None


def locate(path: Path) -> ModelLocation:
    """One model, from its folder, the folder of one version, or its .onnx file. InputNotFound, ModelUnusable:
    there is none."""
    if not path.exists():
        raise InputNotFound(f"no model {path}")
    if path.name == GRAPH_NAME and path.is_file():
        path = path.absolute().parent
    if path.is_file():
        beside = path.parent / MANIFEST_NAME
        manifest = beside if graph_or_none(path.parent) == path else path.with_suffix(".toml")
        return ModelLocation(path.stem, "", path, manifest)
    graph = graph_in(path)
    if graph is None:
        others = ", ".join(sorted(file.name for file in path.iterdir())[:5]) or "nothing"
        raise ModelUnusable(f"{path} has no {GRAPH_NAME}; it holds {others}: export the model to ONNX")
    whole = path.absolute()
    if _name_said_in(path / MANIFEST_NAME) == whole.parent.name != whole.name:
        return ModelLocation(whole.parent.name, whole.name, graph, path / MANIFEST_NAME)
    return ModelLocation(whole.name, "", graph, path / MANIFEST_NAME)


def _name_said_in(manifest: Path) -> str | None:
    """What tells the folder of a version from that of a model; what is wrong with it is for others to say."""
    try:
        name = tomllib.loads(manifest.read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError):
        return None
    return name if isinstance(name, str) else None


def graph_or_none(folder: Path) -> Path | None:
    """As ``graph_in``; None also where there are several."""
    try:
        return graph_in(folder)
    except ModelUnusable:
        return None


def find_models(folders: Sequence[Path]) -> dict[str, tuple[ModelLocation, ...]]:
    """All models by name, each name's versions from oldest to newest. The first folder that has a name
    decides what it means."""
    found: dict[str, tuple[ModelLocation, ...]] = {}
    for folder in folders:
        by_name: dict[str, list[ModelLocation]] = {}
        for location in _in_folder(folder):
            by_name.setdefault(location.name, []).append(location)
        for name, locations in by_name.items():
            ordered = sorted(locations, key=lambda location: natural_key(location.version))
            found.setdefault(name, tuple(ordered))
    return found


def natural_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Orders "2" before "10" and "1.9" before "1.10"."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


def _in_folder(folder: Path) -> Iterator[ModelLocation]:
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and NAME.match(entry.name):
            yield from _in_model_folder(entry)
        elif entry.suffix == ".onnx" and entry.is_file() and NAME.match(entry.stem):
            yield ModelLocation(entry.stem, "", entry, entry.with_suffix(".toml"))


def _in_model_folder(folder: Path) -> Iterator[ModelLocation]:
    graph = graph_or_none(folder)
    if graph is not None:
        yield ModelLocation(folder.name, "", graph, folder / MANIFEST_NAME)
        return
    versions = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and NAME.match(entry.name)]
    graphs = [(entry, graph_or_none(entry)) for entry in versions]
    if not any(inner for _, inner in graphs):
        if any(folder.glob("*.onnx")) or (folder / MANIFEST_NAME).is_file():
            yield ModelLocation(folder.name, "", folder / GRAPH_NAME, folder / MANIFEST_NAME)
        return
    for entry, inner in graphs:
        if inner is not None:
            yield ModelLocation(folder.name, entry.name, inner, entry / MANIFEST_NAME)
