"""Plans: built with progress, found again, and never run where they are not what they should be."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.gpu.report import Result, held
from deploy.gpu.subjects import Way
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.engines.tensorrt.progress import Progress
from reelwire.errors import PlanMissing, PlanStale, ReelwireError

LEAST_STEPS = 3
"""Of progress, beside its start and end."""


def build(way: Way) -> Iterator[Result]:
    """Into an empty cache, with progress that grows."""
    heard: list[Progress] = []
    report = way.build(heard)
    fractions = [each.fraction for each in heard]
    moving = sorted(set(fractions))
    yield held(
        not report.was_there and fractions == sorted(fractions) and len(moving) >= LEAST_STEPS,
        "",
        f"was there: {report.was_there}; progress went {fractions[:5]} … {fractions[-3:]}, expected it to "
        "grow in steps",
        build_s=report.seconds, plan_bytes=report.plan_bytes, activation_bytes=report.activation_bytes,
        progress_steps=len(moving),
    )  # fmt: skip


def cache_hit(way: Way) -> Iterator[Result]:
    """The second build is none."""
    way.build()
    again = way.build()
    yield held(again.was_there, "", "the plan was built again", plan_bytes=again.plan_bytes)


def truncated(way: Way) -> Iterator[Result]:
    """Half a plan: behind the cache's back, and as the cache would have kept it."""
    cache, order = PlanCache(way.cache), way.order()
    way.build()
    plan_path, _ = cache.paths(order.key)
    plan = plan_path.read_bytes()
    plan_path.write_bytes(plan[: len(plan) // 2])
    yield from _refused_then_rebuilt(way, "cut on the disk", PlanMissing)
    cache.store(order.key, plan[: len(plan) // 2])
    yield from _refused_then_rebuilt(way, "cut before it was kept", PlanStale)


def foreign(way: Way, other: Way) -> Iterator[Result]:
    """Another model's plan under this one's name."""
    other.build()
    cache = PlanCache(way.cache)
    plan = cache.find(other.order().key)
    assert plan is not None, "it was just built"
    cache.store(way.order().key, plan)
    yield from _refused_then_rebuilt(way, f"the plan of {other.model.name}", PlanStale)


def _refused_then_rebuilt(way: Way, what: str, expected: type[ReelwireError]) -> Iterator[Result]:
    try:
        way.target.backend.open(way.candidate, way.options).close()
    except expected as error:
        why = error.message
    else:
        yield held(False, what, "it was taken")
        return
    once, again = way.build(), way.build()
    way.target.backend.open(way.candidate, way.options).close()
    yield held(
        (once.was_there, again.was_there) == (False, True),
        what,
        f"it was refused ({why}); expected one rebuild after that, builds: "
        f"{not once.was_there}, {not again.was_there}",
        refused=why,
    )
