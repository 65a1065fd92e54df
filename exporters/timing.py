"""How long one frame takes on each backend that can run here, in the way that a service runs it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from exporters.served import Feeds, Served, Standing
from reelwire.engines.backend import Candidate, EngineOptions
from reelwire.engines.registry import BACKEND_NAMES, backend
from reelwire.engines.select import open_candidate
from reelwire.models.recurrent import StatefulRunner

ROUNDS = 9
THREADS = 1


def candidates_here(served: Served) -> list[Candidate]:
    """Every way to run this model on this machine, the best backend first."""
    usable = [backend(name) for name in BACKEND_NAMES if backend(name).probe().ok]
    return [candidate for each in usable for candidate in each.candidates(served.files.variants)]


def frame_ms(served: Served, candidates: Sequence[Candidate], feeds: Feeds) -> Mapping[Candidate, float]:
    """The median of interleaved rounds, each on one thread, after one run to warm up."""
    spec = served.spec
    states = {state.input: state.output for state in spec.states}
    options = EngineOptions(threads=THREADS, profiles=served.files.profiles, states=states)
    took: dict[int, list[float]] = {place: [] for place in range(len(candidates))}
    with ExitStack() as stack:
        runners = []
        for candidate in candidates:
            engine = open_candidate(candidate, options)
            stack.callback(engine.close)
            runner = StatefulRunner(Standing(spec, engine))
            stack.callback(runner.close)
            runner.run(feeds)
            runners.append(runner)
        for _ in range(ROUNDS):
            for place, runner in enumerate(runners):
                start = time.perf_counter()
                runner.run(feeds)
                took[place].append((time.perf_counter() - start) * 1e3)
    frames = spec.window.hop
    return {candidate: statistics.median(took[place]) / frames for place, candidate in enumerate(candidates)}
