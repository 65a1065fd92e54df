"""What a listing shows of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reelwire.models.check import explain_location
from reelwire.models.location import ModelLocation


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One version of one model; ``problem`` is empty when it can be used."""

    name: str
    version: str
    path: Path
    task: str = ""
    description: str = ""
    license: str = ""
    sha256: str = ""
    understood: tuple[str, ...] = ()
    problem: str = ""
    scale: int = 1


class Entries:
    """Entries of model files, each looked at once for as long as its files stay the same."""

    def __init__(self, threads: int) -> None:
        """``threads`` of one inference; 0: all cores."""
        self._threads = threads
        self._known: dict[ModelLocation, tuple[object, ModelEntry]] = {}

    def of(self, location: ModelLocation) -> ModelEntry:
        """Nothing stays loaded for it."""
        stamp = location.stamp
        known = self._known.get(location)
        if known is not None and known[0] == stamp:
            return known[1]
        entry = describe(location, self._threads)
        self._known[location] = (stamp, entry)
        return entry


def describe(location: ModelLocation, threads: int = 1) -> ModelEntry:
    """A listing's entry, from a look at the files and a probe run."""
    explained = explain_location(location, threads)
    files, spec = explained.files, explained.spec
    if files is None:
        return ModelEntry(location.name, location.version, location.graph, problem=explained.problem)
    manifest = files.manifest
    return ModelEntry(
        name=location.name,
        version=files.version,
        path=location.graph,
        task=spec.task if spec else manifest.task,
        description=manifest.description,
        license=manifest.license,
        sha256=files.facts.sha256,
        understood=tuple(explained.understood),
        problem=" ".join(f"{explained.problem} {explained.fix}".split()),
        scale=spec.scale if spec else 1,
    )
