"""What a builder's process is told, and what it answers: one line of JSON each."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from reelwire.engines.backend import ShapeProfile, Variant
from reelwire.engines.tensorrt.libraries import ENTERPRISE, RTX
from reelwire.engines.tensorrt.plans import PlanKey
from reelwire.engines.tensorrt.preflight import Gpu
from reelwire.errors import Internal, ReelwireError, all_errors

MODULES = {facts.name: facts.module for facts in (ENTERPRISE, RTX)}


def plan_key(
    backend: str,
    version: str,
    gpu: Gpu,
    variant: Variant,
    profiles: tuple[ShapeProfile, ...],
) -> PlanKey:
    """What a plan of this file depends on. ``backend``, ``version``: the library's, as ``Libraries``."""
    return PlanKey(
        sha256=variant.facts.sha256,
        backend=backend,
        library_version=version,
        compute_capability=gpu.compute_capability,
        gpu=gpu.name,
        driver=gpu.driver,
        precision=variant.precision,
        profiles=profiles,
    )


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """A plan to be built and kept. ``model``: its name, for metrics; ``graph``: the file that ``key`` is of;
    ``folder``: the cache's; ``module``: imported for the library, empty: the backend's own."""

    model: str
    graph: Path
    key: PlanKey
    folder: Path
    module: str = ""

    @property
    def library(self) -> str:
        """The module to import. KeyError: no such backend."""
        return self.module or MODULES[self.key.backend]

    def to_line(self) -> str:
        """One line."""
        key = {each.name: getattr(self.key, each.name) for each in fields(self.key)}
        key["profiles"] = [{"name": each.name, "inputs": dict(each.inputs)} for each in self.key.profiles]
        rest = {"model": self.model, "graph": str(self.graph), "folder": str(self.folder)}
        return json.dumps({**rest, "module": self.module, "key": key})

    @classmethod
    def from_line(cls, line: str) -> PlanOrder:
        """What ``to_line`` made."""
        read = json.loads(line)
        key = read["key"]
        profiles = tuple(_profile(each) for each in key["profiles"])
        key = PlanKey(**{**key, "profiles": profiles})
        return cls(read["model"], Path(read["graph"]), key, Path(read["folder"]), read["module"])


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What came of it. ``was_there``: somebody else had built it meanwhile; then the rest but ``plan_bytes``
    is 0."""

    plan_bytes: int
    activation_bytes: int = 0
    seconds: float = 0.0
    was_there: bool = False


def error_as_json(error: ReelwireError) -> dict[str, str]:
    """For the line's "error"."""
    return {"class": type(error).__name__, "message": error.message, "field": error.field}


def error_from_json(told: dict[str, Any]) -> ReelwireError:
    """The same class again."""
    kinds = {kind.__name__: kind for kind in all_errors()}
    return kinds.get(told["class"], Internal)(told["message"], field=told["field"])


def _profile(read: dict[str, Any]) -> ShapeProfile:
    inputs = {}
    for name, (least, likeliest, largest) in read["inputs"].items():
        inputs[name] = (tuple(least), tuple(likeliest), tuple(largest))
    return ShapeProfile(read["name"], inputs)
