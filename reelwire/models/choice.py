"""``auto``: the fastest backend and precision that are like enough to the fp32 graph, measured here.

A GPU's backend that works goes before every CPU's. Among those of one GPU backend, and among all of the CPU,
each candidate is loaded, checked against the model's own sample and timed (``race.py``). A less exact one is
taken only where it is ``FASTER`` times as fast; without a sample, only what computes as the file does and
gives what the reference gives is taken at all. What was decided for the CPU is kept (``decisions.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

from reelwire.engines.backend import Candidate, Engine, EngineOptions, Variant
from reelwire.engines.registry import CPU_BACKENDS, REFERENCE
from reelwire.engines.select import PRECISIONS, Wanted, candidates, open_candidate
from reelwire.errors import ModelUnusable, PlanMissing, PlanStale, ReelwireError
from reelwire.models.considered import Considered, unusable_backends
from reelwire.models.decisions import Decision, machine_facts
from reelwire.models.fidelity import least_psnr_db
from reelwire.models.race import Work, feeds_of, race
from reelwire.models.sample import EXACT_ELSEWHERE_DB, Sample, check_sample
from reelwire.models.spec import ModelSpec

log = logging.getLogger(__name__)

FASTER = 1.15
"""Times as fast as the next more exact one that a candidate must be: less is within what a load changes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is chosen for. ``variants``: the model's own file first."""

    variants: tuple[Variant, ...]
    wanted: Wanted
    options: EngineOptions
    spec: ModelSpec
    sample: Sample | None
    min_psnr_db: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs the model, and all that was looked at. ``kept``: decided before, not measured now.
    ``awaiting``: better ones that only lack a plan."""

    candidate: Candidate
    engine: Engine
    considered: tuple[Considered, ...]
    kept: bool = False
    awaiting: tuple[Candidate, ...] = ()


@dataclass(slots=True)
class _Racer:
    candidate: Candidate
    engine: Engine
    told: Considered = field(init=False)

    def __post_init__(self) -> None:
        self.told = Considered(self.candidate.backend, self.candidate.precision)


def open_reference(variants: Sequence[Variant], options: EngineOptions) -> Engine:
    """The model's own file on the reference backend. Raises as ``candidates`` and ``Backend.open``."""
    own = variants[0]
    return open_candidate(candidates((own,), Wanted(REFERENCE, own.precision))[0], options)


def choose(asked: Asked, reference: Engine) -> Choice:
    """The best way to run it. ``reference``: the model's own file on the reference backend; its engine is
    given back where it was chosen, and stays the caller's to close where it was not.

    Raises as ``candidates``; whatever it was where there is one candidate and it cannot be loaded;
    ModelUnusable where there are several and none can be used.
    """
    found = candidates(asked.variants, asked.wanted)
    unusable = unusable_backends() if asked.wanted.is_auto else ()
    if len(found) == 1:
        return _only(asked, found[0], reference, unusable)
    told: list[Considered] = list(unusable)
    awaiting: list[Candidate] = []
    for on_gpu, group in groupby(found, lambda each: each.backend not in CPU_BACKENDS and each.backend):
        decide = _measured if on_gpu else _decided
        members = tuple(group)
        choice, looked_at = decide(asked, members, reference)
        told += looked_at
        awaiting += [each for each in members if _lacks_plan(each, looked_at)]
        if choice is not None:
            return replace(choice, considered=tuple(told), awaiting=tuple(awaiting))
    why = "; ".join(str(each) for each in told)
    raise ModelUnusable(f"no backend can run it: {why}", field="backend")


def _lacks_plan(candidate: Candidate, told: Sequence[Considered]) -> bool:
    return any(
        each.lacks_plan and (each.backend, each.precision) == (candidate.backend, candidate.precision)
        for each in told
    )


def _only(asked: Asked, candidate: Candidate, reference: Engine, unusable: tuple[Considered, ...]) -> Choice:
    """Nothing to compare: it runs, and gives what its sample says, or it is an error."""
    engine = _open(asked, candidate, reference)
    told = Considered(candidate.backend, candidate.precision)
    try:
        if asked.sample is not None:
            told = replace(told, psnr_db=check_sample(engine, asked.sample, asked.min_psnr_db))
    except BaseException:
        _close(engine, reference)
        raise
    return Choice(candidate, engine, (*unusable, told))


def _decided(
    asked: Asked, group: tuple[Candidate, ...], reference: Engine
) -> tuple[Choice | None, tuple[Considered, ...]]:
    """As it was decided before; else measured and kept."""
    decision = Decision(_facts(asked))
    with decision.alone():
        kept = decision.read()
        if kept is not None:
            choice = _again(asked, group, reference, kept)
            if choice is not None:
                return choice, choice.considered
        choice, told = _measured(asked, group, reference)
        if choice is not None:
            decision.write({"considered": [asdict(each) for each in told]})
        return choice, told


def _again(
    asked: Asked, group: Sequence[Candidate], reference: Engine, kept: dict[str, object]
) -> Choice | None:
    """None: what was decided cannot be understood, loaded or run any more."""
    try:
        told = tuple(Considered(**each) for each in kept["considered"])  # type: ignore[attr-defined]
        (taken,) = (each for each in told if not each.problem)
        (candidate,) = (
            each for each in group if (each.backend, each.precision) == (taken.backend, taken.precision)
        )
        choice = _only(asked, candidate, reference, ())
    except (KeyError, TypeError, ValueError, AttributeError):
        log.warning("a choice that was kept is damaged or another program's; measured again")
        return None
    except ReelwireError as error:
        log.warning("what was chosen before cannot be used any more, measured again: %s", error.message)
        return None
    return replace(choice, considered=told, kept=True)


def _measured(
    asked: Asked, group: tuple[Candidate, ...], reference: Engine
) -> tuple[Choice | None, tuple[Considered, ...]]:
    """The best of those that load, are like enough and run; None: none does."""
    refused: list[Considered] = []
    racers: list[_Racer] = []
    for candidate in sorted(group, key=lambda each: _inexactness(asked, each)):
        try:
            racers.append(_Racer(candidate, _open(asked, candidate, reference)))
        except ReelwireError as error:
            refused.append(
                Considered(
                    candidate.backend,
                    candidate.precision,
                    problem=error.message,
                    lacks_plan=isinstance(error, PlanMissing | PlanStale),
                )
            )
    taken: _Racer | None = None
    try:
        racing = _like_enough(asked, racers)
        _time(asked, racing, reference)
        taken = _fastest(asked, racing)
    finally:
        for racer in racers:
            if racer is not taken:
                _close(racer.engine, reference)
    told = (*(racer.told for racer in racers), *refused)
    return (Choice(taken.candidate, taken.engine, told) if taken else None), told


def _like_enough(asked: Asked, racers: Sequence[_Racer]) -> list[_Racer]:
    """Those that may run, by the model's own sample. A precision that was asked for is as exact as it is."""
    for racer in racers:
        try:
            if asked.sample is not None:
                likeness = check_sample(racer.engine, asked.sample, asked.min_psnr_db)
                racer.told = replace(racer.told, psnr_db=likeness)
            elif not (_is_exact(asked, racer.candidate) or asked.wanted.precision):
                why = "nothing to measure its likeness on: model.toml has no [sample]"
                racer.told = replace(racer.told, problem=why)
        except ReelwireError as error:
            racer.told = replace(racer.told, problem=error.message)
    return [racer for racer in racers if not racer.told.problem]


def _time(asked: Asked, racers: Sequence[_Racer], reference: Engine) -> None:
    """Fills in the times. What runs elsewhere than the reference, without a sample, must give what that
    gives on the same frame."""
    feeds = feeds_of(asked.spec, asked.sample, reference, len(racers) + 1)
    if feeds is None or all(racer.engine is reference for racer in racers):
        return
    by_racers = [racer.engine for racer in racers]
    engines = by_racers if reference in by_racers else [*by_racers, reference]
    timed = race([Work(engine, asked.spec, feeds) for engine in engines])
    wanted = timed[engines.index(reference)].first
    for racer, each in zip(racers, timed, strict=False):
        problem = each.problem
        if asked.sample is None and _is_exact(asked, racer.candidate) and not problem:
            likeness = least_psnr_db(wanted, each.first)
            if not likeness >= EXACT_ELSEWHERE_DB:
                problem = f"like the reference to {likeness:.1f} dB, at least {EXACT_ELSEWHERE_DB:g} passes"
        racer.told = replace(racer.told, ms=each.ms, problem=problem)


def _fastest(asked: Asked, racers: Sequence[_Racer]) -> _Racer | None:
    """From the most exact on, each that is ``FASTER`` than the one so far; without times the most exact."""
    taken: _Racer | None = None
    for racer in (each for each in racers if not each.told.problem):
        if taken is None:
            taken = racer
            continue
        before, ms = taken.told.ms, racer.told.ms
        if before is not None and ms is not None and before >= FASTER * ms:
            taken.told = replace(taken.told, problem=f"{racer.candidate} is {before / ms:.2f} times as fast")
            taken = racer
        elif before is None or ms is None:
            racer.told = replace(racer.told, problem=f"nothing to time it on; {taken.candidate} is as exact")
        else:
            why = f"{before / ms:.2f} times as fast as {taken.candidate}, at least {FASTER:g} counts"
            racer.told = replace(racer.told, problem=why)
    return taken


def _is_exact(asked: Asked, candidate: Candidate) -> bool:
    return candidate.precision == asked.variants[0].precision


def _inexactness(asked: Asked, candidate: Candidate) -> tuple[bool, int, bool]:
    """Sorts the most exact first: as the file is, then by precision; the reference before others."""
    return (
        not _is_exact(asked, candidate),
        PRECISIONS.index(candidate.precision),
        candidate.backend != REFERENCE,
    )


def _open(asked: Asked, candidate: Candidate, reference: Engine) -> Engine:
    if candidate.backend == REFERENCE and candidate.variant == asked.variants[0]:
        return reference
    return open_candidate(candidate, asked.options)


def _close(engine: Engine, reference: Engine) -> None:
    if engine is not reference:
        engine.close()


def _facts(asked: Asked) -> dict[str, object]:
    """All that a choice on the CPU depends on."""
    return {
        **machine_facts(),
        "variants": [(each.facts.sha256, each.precision, each.form) for each in asked.variants],
        "wanted": [
            asked.wanted.backend if not asked.wanted.is_auto else "auto",
            asked.wanted.precision,
        ],
        "threads": asked.options.threads,
        "floor": asked.min_psnr_db if asked.sample is not None else None,
    }
