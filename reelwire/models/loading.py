"""A model from disk into memory: checked, understood, measured."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from reelwire import metrics
from reelwire.engines.backend import (
    Engine,
    EngineOptions,
    ShapeProfile,
    Variant,
)
from reelwire.engines.graph import GraphFacts, read_graph
from reelwire.engines.select import Wanted, candidates, open_candidate
from reelwire.errors import ModelUnusable
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
    """A model in memory, shared by all streams. Whoever opened it closes it: the library."""

    name: str
    files: ModelFiles
    spec: ModelSpec
    engine: Engine

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
        )

    def close(self) -> None:
        """Frees the engine."""
        SHOWN.remove(metrics.ENGINE_INFO, (self.name, *_labels(self.engine)))
        SHOWN.remove(metrics.MODEL_INFO, (self.name, self.version, self.sha256[:DIGITS_OF_VERSION]))
        self.engine.close()


def load_model(files: ModelFiles, wanted: Wanted, threads: int) -> LoadedModel:
    """Loads and understands a graph. Raises as ``candidates``, ``Backend.open`` and ``understand``."""
    name = files.location.name
    options = EngineOptions(threads=threads, profiles=files.profiles)
    engine = open_candidate(candidates(files.variants, wanted)[0], options)
    try:
        spec = understand(engine, files.manifest)
        sample = read_sample(files.location.manifest.parent, files.manifest)
        if sample is not None:
            check_sample(engine, sample, files.manifest.quality.min_psnr_db)
    except BaseException:
        engine.close()
        raise
    SHOWN.add(metrics.ENGINE_INFO, (name, *_labels(engine)))
    SHOWN.add(metrics.MODEL_INFO, (name, files.version, files.facts.sha256[:DIGITS_OF_VERSION]))
    log.info(
        "model %s@%s runs on %s, %s, %s, %s",
        name, files.version, engine.backend, engine.device, engine.precision, in_words(engine.threads),
    )  # fmt: skip
    return LoadedModel(name, files, spec, MeasuredEngine(engine, name))


def _labels(engine: Engine) -> tuple[str, ...]:
    return engine.backend, engine.device, engine.precision, str(engine.threads)
