"""Which backend runs a graph. A backend that was asked for by name is never replaced by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reelwire.choices import choose_from
from reelwire.engines.backend import Availability, Backend, Candidate, Engine, EngineOptions, Variant
from reelwire.engines.graph import GraphFacts, read_graph
from reelwire.engines.registry import BACKEND_NAMES, REFERENCE, backend
from reelwire.errors import BackendMissing, BadParameter, ModelUnusable

AUTO = "auto"
BACKENDS = (AUTO, *BACKEND_NAMES)
PRECISIONS = ("fp32", "bf16", "fp16", "int8")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: a backend's name, "auto" or "" for the best that works; a precision, or "" for the
    fastest that meets the model's quality floor."""

    backend: str = AUTO
    precision: str = ""

    def check(self) -> None:
        """BadParameter: no such backend or precision. BackendMissing, DeviceMissing: it cannot run here."""
        if self.backend not in ("", *BACKENDS):
            raise BadParameter(choose_from("backend", self.backend, BACKENDS), field="backend")
        if self.precision not in ("", *PRECISIONS):
            raise BadParameter(choose_from("precision", self.precision, PRECISIONS), field="precision")
        usable_backends(self.backend)

    @property
    def is_auto(self) -> bool:
        """No backend was named."""
        return self.backend in ("", AUTO)


def availability() -> tuple[Availability, ...]:
    """Of every backend, the best first."""
    return tuple(backend(name).probe() for name in BACKEND_NAMES)


def usable_backends(name: str = AUTO) -> tuple[Backend, ...]:
    """Those that can run here, the best first; only the one of ``name`` where it is not "auto" or "".

    BackendMissing, DeviceMissing: the one that was named cannot, or none can."""
    if name not in ("", AUTO):
        found = backend(name)
        told = found.probe()
        if not told.ok:
            raise told.error()
        return (found,)
    told_of = availability()
    usable = tuple(backend(each.backend) for each in told_of if each.ok)
    if not usable:
        why = "; ".join(f"{each.backend}: {each.problem}" for each in told_of)
        raise BackendMissing(f'no inference runtime can be used ({why}); fix: pip install "reelwire[cpu]"')
    return usable


def candidates(variants: Sequence[Variant], wanted: Wanted) -> tuple[Candidate, ...]:
    """Every way to run a model that fits what was asked for, by backend in order of preference.

    Raises as ``Wanted.check``; ModelUnusable: the named backend has no file in that precision.
    """
    wanted.check()
    found = tuple(
        candidate
        for each in usable_backends(wanted.backend)
        for candidate in each.candidates(variants)
        if wanted.precision in ("", candidate.precision)
    )
    if not found:
        has = ", ".join(sorted({variant.precision for variant in variants}))
        raise ModelUnusable(
            f'cannot run in "{wanted.precision}" on backend "{wanted.backend or AUTO}"; it has {has}: '
            "export it in that precision with reelwire export precision",
            field="precision",
        )
    return found


def open_engine(
    path: Path, *, wanted: Wanted | None = None, threads: int = 1, facts: GraphFacts | None = None
) -> Engine:
    """Loads one ONNX file as it is, in its own precision, on the reference: ONNX Runtime on the CPU.

    ``wanted``: on another backend, or the best that takes it; ``threads`` of one inference, 0: all cores;
    ``facts``: when read before. Raises InputNotFound, ModelUnusable, BackendMissing, DeviceMissing,
    BadParameter.
    """
    facts = facts or read_graph(path)
    asked = wanted or Wanted(REFERENCE)
    variant = Variant(facts, facts.precision, "s8s8" if facts.precision == "int8" else "")
    found = candidates((variant,), asked)
    exact = [candidate for candidate in found if candidate.precision == facts.precision] or list(found)
    return open_candidate(exact[0], EngineOptions(threads=threads))


def open_candidate(candidate: Candidate, options: EngineOptions) -> Engine:
    """Loads it. Raises as ``Backend.open``."""
    if candidate.variant.facts.foreign_operators:
        names = ", ".join(candidate.variant.facts.foreign_operators)
        raise ModelUnusable(f"operators that ONNX Runtime does not have: {names}; export without them")
    return backend(candidate.backend).open(candidate, options)
