"""A model from disk into memory: checked, understood, measured."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from reelwire import metrics
from reelwire.engines.backend import (
    Candidate,
    Engine,
    EngineOptions,
    ShapeProfile,
    Variant,
)
from reelwire.engines.graph import GraphFacts, read_graph
from reelwire.engines.select import Wanted, candidates
from reelwire.errors import ModelUnusable, ProfileInvalid
from reelwire.models.batch_decision import NEVER, UNBATCHED, BatchDecision, BatchedModel, BatchOptions
from reelwire.models.batching import decide, with_batching
from reelwire.models.choice import Asked, Choice, choose, open_reference
from reelwire.models.considered import Considered
from reelwire.models.default_profiles import default_profiles
from reelwire.models.location import ModelLocation
from reelwire.models.manifest import Manifest, VariantManifest, read_manifest
from reelwire.models.measured import SHOWN, MeasuredEngine
from reelwire.models.sample import check_sample, read_sample
from reelwire.models.spec import ModelSpec
from reelwire.models.understand import understand
from reelwire.threads import in_words
from reelwire.v1.config_pb2 import PinnedModel

log = logging.getLogger(__name__)
DIGITS_OF_VERSION = 12


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a model's files say, before the graph is loaded. ``variants``: the graph, and the same in other
    precisions. ``version``: the folder's, model.toml's, or the first digits of the hash."""

    location: ModelLocation
    manifest: Manifest
    facts: GraphFacts
    variants: tuple[Variant, ...]

    @property
    def version(self) -> str:
        """The version that a stream is bound to."""
        named = self.location.version or self.manifest.version
        return named or self.facts.sha256[:DIGITS_OF_VERSION]

    @property
    def profiles(self) -> tuple[ShapeProfile, ...]:
        """Sizes that plans are built for."""
        return tuple(ShapeProfile(each.name, each.inputs) for each in self.manifest.profiles)


def read_files(location: ModelLocation) -> ModelFiles:
    """Reads model.toml and the graph. ModelUnusable: either is wrong, or they do not belong together."""
    manifest = read_manifest(location.manifest)
    if manifest.name and manifest.name != location.name:
        raise ModelUnusable(
            f'model.toml: name = "{manifest.name}", but the model is found as "{location.name}"'
        )
    facts = read_graph(location.graph)
    if manifest.sha256 and manifest.sha256 != facts.sha256:
        raise ModelUnusable(
            f"{location.graph.name} has sha256 {facts.sha256}, model.toml says {manifest.sha256}; "
            "the file is damaged or another one: copy it again, or correct model.toml"
        )
    own = Variant(facts, facts.precision, "s8s8" if facts.precision == "int8" else "")
    others = tuple(_variant(location, each) for each in manifest.variants)
    return ModelFiles(location, manifest, facts, (own, *others))


def _variant(location: ModelLocation, listed: VariantManifest) -> Variant:
    path = location.manifest.parent / listed.file
    if not path.is_file():
        raise ModelUnusable(f"model.toml lists {listed.file}, which is missing; copy it beside it")
    facts = read_graph(path)
    if facts.sha256 != listed.sha256:
        raise ModelUnusable(
            f"{listed.file} has sha256 {facts.sha256}, model.toml says {listed.sha256}; the file is damaged "
            "or another one: export the model again"
        )
    return Variant(facts, listed.precision, listed.form)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, shared by all streams. Whoever opened it closes it: the library.

    ``considered``: what else could have run it, and why it does not. ``batching``: whether runs of
    different streams become one inference, and why. ``awaiting``: better ways to run it that lack a plan,
    which is built for ``profiles``."""

    name: str
    files: ModelFiles
    spec: ModelSpec
    engine: Engine
    considered: tuple[Considered, ...] = ()
    batching: BatchDecision = NEVER
    awaiting: tuple[Candidate, ...] = ()
    profiles: tuple[ShapeProfile, ...] = ()

    @property
    def version(self) -> str:
        """The version that streams are bound to."""
        return self.files.version

    @property
    def sha256(self) -> str:
        """Of the graph and its external data."""
        return self.files.facts.sha256

    def pinned(self, stage: str) -> PinnedModel:
        """What a stream of ``stage`` is bound to."""
        return PinnedModel(
            stage=stage,
            name=self.name,
            version=self.version,
            sha256=self.sha256,
            backend=self.engine.backend,
            precision=self.engine.precision,
            device=self.engine.device,
            max_batch=self.batching.max_batch,
        )

    def close(self) -> None:
        """Frees the engine."""
        SHOWN.remove(metrics.ENGINE_INFO, (self.name, *_labels(self.engine)))
        SHOWN.remove(metrics.ENGINE_MAX_BATCH, (self.name, self.engine.backend))
        SHOWN.remove(metrics.MODEL_INFO, (self.name, self.version, self.sha256[:DIGITS_OF_VERSION]))
        self.engine.close()


def load_model(
    files: ModelFiles, wanted: Wanted, threads: int, batch: BatchOptions = UNBATCHED
) -> LoadedModel:
    """Understands a graph on the reference engine and loads it as ``choose`` decides.

    Raises as ``candidates``, ``Backend.open``, ``understand``, ``check_sample`` and ``choose``."""
    name = files.location.name
    candidates(files.variants, wanted)  # what cannot be is refused before anything is loaded
    spec, choice, profiles = _chosen(files, wanted, EngineOptions(threads=threads))
    engine = choice.engine
    SHOWN.add(metrics.ENGINE_INFO, (name, *_labels(engine)))
    SHOWN.add(metrics.MODEL_INFO, (name, files.version, files.facts.sha256[:DIGITS_OF_VERSION]))
    log.info(
        "model %s@%s runs on %s, %s, %s, %s%s",
        name, files.version, engine.backend, engine.device, engine.precision, in_words(engine.threads),
        ", as chosen before" if choice.kept else "",
    )  # fmt: skip
    for each in choice.considered:
        log.info("model %s@%s: %s", name, files.version, each)
    decision = decide(engine, spec, batch, BatchedModel(files.facts.sha256, files.manifest.batch.max))
    log.info("model %s@%s: %s", name, files.version, decision)
    SHOWN.add(metrics.ENGINE_MAX_BATCH, (name, engine.backend), decision.max_batch)
    measured = with_batching(MeasuredEngine(engine, name, spec), spec, decision, batch)
    return LoadedModel(name, files, spec, measured, choice.considered, decision, choice.awaiting, profiles)


def _chosen(
    files: ModelFiles, wanted: Wanted, options: EngineOptions
) -> tuple[ModelSpec, Choice, tuple[ShapeProfile, ...]]:
    reference = open_reference(files.variants, options)
    chosen: Choice | None = None
    try:
        spec = understand(reference, files.manifest)
        sample = read_sample(files.location.manifest.parent, files.manifest)
        floor_db = files.manifest.quality.min_psnr_db
        if sample is not None:
            check_sample(reference, sample, floor_db)
        states = {state.input: state.output for state in spec.states}
        profiles = files.profiles or _derived_profiles(spec, reference)
        options = replace(options, states=states, profiles=profiles)
        chosen = choose(Asked(files.variants, wanted, options, spec, sample, floor_db), reference)
        return spec, chosen, profiles
    finally:
        if chosen is None or chosen.engine is not reference:
            reference.close()


def _derived_profiles(spec: ModelSpec, engine: Engine) -> tuple[ShapeProfile, ...]:
    """None where they cannot be: a backend that needs them says so."""
    try:
        return default_profiles(spec, engine.inputs)
    except ProfileInvalid:
        return ()


def _labels(engine: Engine) -> tuple[str, ...]:
    return engine.backend, engine.device, engine.precision, str(engine.threads)
