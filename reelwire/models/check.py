"""``reelwire check``: what is understood of a model, or what is missing and how to say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reelwire.engines.graph import GraphFacts
from reelwire.engines.select import open_engine
from reelwire.errors import ModelUnusable, ReelwireError
from reelwire.models.loading import ModelFiles, read_files
from reelwire.models.location import ModelLocation, locate
from reelwire.models.refusal import parts_of
from reelwire.models.spec import ModelSpec
from reelwire.models.understand import understand


@dataclass(frozen=True, slots=True)
class Explanation:
    """``understood``: one line each. ``problem``: why it cannot be used; empty when it can. ``fix``: what to
    do about it, lines of model.toml among it; may be several lines."""

    understood: list[str]
    problem: str = ""
    fix: str = ""
    files: ModelFiles | None = None
    spec: ModelSpec | None = None


def explain(path: Path) -> Explanation:
    """For a model's folder or an .onnx file; never raises for what is wrong with it."""
    try:
        location = locate(path)
    except ReelwireError as error:
        return Explanation([], error.message)
    return explain_location(location)


def explain_location(location: ModelLocation, threads: int = 1) -> Explanation:
    """As ``explain``. Loads the graph, runs it on a small picture and forgets it again."""
    understood: list[str] = []
    files: ModelFiles | None = None
    try:
        files = read_files(location)
        understood += _file_words(files.facts)
        engine = open_engine(location.graph, threads=threads, facts=files.facts)
        try:
            understood.append(f"runs on {engine.backend}, {engine.device}, {engine.precision}")
            spec = understand(engine, files.manifest)
        finally:
            engine.close()
    except ModelUnusable as error:
        problem, fix = parts_of(error)
        return Explanation(understood, problem, fix, files)
    except ReelwireError as error:
        return Explanation(understood, error.message, "", files)
    understood += spec.understood
    return Explanation(understood, files=files, spec=spec)


def _file_words(facts: GraphFacts) -> list[str]:
    lines = [
        f"{facts.path.name}: {facts.size_bytes} bytes, opset {facts.opset}, "
        f"{facts.parameter_count} parameters, sha256 {facts.sha256}"
    ]
    if facts.external_files:
        lines.append(f"weights in {', '.join(facts.external_files)}")
    return lines
