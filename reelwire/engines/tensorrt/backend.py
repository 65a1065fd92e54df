"""TensorRT and TensorRT for RTX as backends: whether they can run here, what of a model, and its plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reelwire.engines.backend import Availability, Candidate, EngineOptions, Variant
from reelwire.engines.signature import read_signature
from reelwire.engines.tensorrt.engine import TensorRtEngine
from reelwire.engines.tensorrt.libraries import Libraries, LibraryFacts, load_libraries, not_installed
from reelwire.engines.tensorrt.loaded import LoadedPlan
from reelwire.engines.tensorrt.order import PlanOrder, plan_key
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.engines.tensorrt.preflight import Gpu, find_gpu
from reelwire.errors import PlanMissing, PlanStale

PRECISIONS = ("fp32", "fp16", "int8")
"""The most exact first."""
INT8_FORM = "s8s8"
"""The only one that TensorRT takes: signed, symmetric."""


class TensorRtBackend:
    """See ``Backend``. One for each library; they differ in ``facts`` alone."""

    def __init__(
        self,
        facts: LibraryFacts,
        *,
        find: Callable[[], Gpu] = find_gpu,
        missing: Callable[[LibraryFacts], str] = not_installed,
        load: Callable[[LibraryFacts], Libraries] = load_libraries,
    ) -> None:
        """``find``: looks for a GPU; ``missing``: says what is not installed; ``load``: imports."""
        self.name = facts.name
        self._facts, self._find, self._missing, self._load = facts, find, missing, load

    def probe(self) -> Availability:
        """See ``Backend``. Imports nothing of NVIDIA's."""
        return self._availability(self._find())

    def candidates(self, variants: Sequence[Variant]) -> tuple[Candidate, ...]:
        """See ``Backend``."""
        by_precision = {
            variant.precision: variant
            for variant in variants
            if variant.precision != "int8" or variant.form == INT8_FORM
        }
        order = [precision for precision in PRECISIONS if precision in by_precision]
        return tuple(Candidate(self.name, by_precision[precision], precision) for precision in order)

    def open(self, candidate: Candidate, options: EngineOptions) -> TensorRtEngine:
        """See ``Backend``. PlanMissing: none was built for this model on this GPU; nothing is built here.
        PlanStale: the library refuses the one that was; it is removed, so that it is built again."""
        gpu, libraries = self._here()
        facts = candidate.variant.facts
        key = plan_key(self.name, libraries.version, gpu, candidate.variant, options.profiles)
        cache = PlanCache(options.cache)
        plan = cache.find(key)
        if plan is None:
            raise PlanMissing(
                f"no plan of {facts.path.name} ({candidate.precision}) for {self.name} {libraries.version} "
                f'on {gpu.name}; fix: build it with "reelwire export tensorrt", or ask for auto'
            )
        inputs, outputs = read_signature(facts.path)
        try:
            loaded = LoadedPlan(libraries, plan, inputs, outputs)
        except PlanStale:
            cache.forget(key)
            raise
        return TensorRtEngine(libraries, loaded, precision=candidate.precision, device=gpu.name)

    def plan_order(self, model: str, candidate: Candidate, options: EngineOptions) -> PlanOrder:
        """What a builder is told, so that ``open`` finds the plan after. ``model``: its name, for metrics.
        Raises as ``Availability.error`` where it cannot run here."""
        gpu, libraries = self._here()
        key = plan_key(self.name, libraries.version, gpu, candidate.variant, options.profiles)
        folder = PlanCache(options.cache).folder
        return PlanOrder(model, candidate.variant.facts.path, key, folder, self._facts.module)

    def _here(self) -> tuple[Gpu, Libraries]:
        gpu = self._find()
        told = self._availability(gpu)
        if not told.ok:
            raise told.error()
        return gpu, self._load(self._facts)

    def _availability(self, gpu: Gpu) -> Availability:
        missing = self._missing(self._facts)
        problems = [each for each in (missing, gpu.problem) if each]
        fixes = [self._facts.fix] if missing else []
        if gpu.problem:
            fixes.append(gpu.fix)
        elif gpu.compute_capability in self._facts.refuses:
            problems.append(
                f"it does not compile for {gpu.name} (compute capability {gpu.compute_capability}), a data "
                "centre GPU"
            )
            fixes = ["use backend tensorrt"]
        return Availability(
            self.name,
            device=gpu.name,
            problem=" and ".join(problems),
            fix="; ".join(fixes),
            installed=not missing,
        )
