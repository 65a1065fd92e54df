"""What each extra brings: read from pyproject.toml and from what is installed, all the way down."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
NEVER_SERVED = ("torch", "onnxscript", "tensorrt", "nvidia", "triton", "cuda")
PINNED = ("cpu", "cpu-min", "cuda", "tensorrt", "tensorrt-rtx", "train", "bench")


def everything_below(wanted: list[str]) -> set[str]:
    """Names of all distributions that pip would install for these, as those that are installed say. One that
    is not installed is named, and nothing below it is known."""
    found: set[str] = set()
    todo = [Requirement(text) for text in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(name)
        try:
            below = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:
            continue
        todo += [
            each
            for each in below
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        ]
    return found


@pytest.mark.parametrize("extra", ["cpu", "cpu-min"])
def test_what_serves_on_a_cpu_brings_neither_pytorch_nor_anything_of_a_gpu(extra: str) -> None:
    found = everything_below([*PROJECT["project"]["dependencies"], *EXTRAS[extra]])
    assert {"grpcio", "av", "onnxruntime"} <= found
    assert {name for name in found if name.startswith(NEVER_SERVED)} == set()


def test_the_walk_finds_pytorch_where_it_is() -> None:
    assert "torch" in everything_below(EXTRAS["train"])
    assert "filelock" in everything_below(EXTRAS["train"]), "what it needs itself is found too"


@pytest.mark.parametrize("extra", PINNED)
def test_extras_that_decide_results_are_pinned_to_one_version(extra: str) -> None:
    loose = [text for text in EXTRAS[extra] if not str(Requirement(text).specifier).startswith("==")]
    assert loose == []


def test_runtimes_that_overwrite_each_other_are_declared_as_conflicts() -> None:
    declared = {
        frozenset(part["extra"] for part in conflict) for conflict in PROJECT["tool"]["uv"]["conflicts"]
    }
    files = {name: {canonicalize_name(Requirement(text).name) for text in EXTRAS[name]} for name in EXTRAS}
    cpu = [name for name in files if "onnxruntime" in files[name]]
    gpu = [name for name in files if "onnxruntime-gpu" in files[name]]
    assert declared == {frozenset((one, other)) for one in cpu for other in gpu}
