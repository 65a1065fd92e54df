"""ListModels: what a stream can name."""

from __future__ import annotations

from reelwire.models.library import ModelLibrary
from reelwire.v1.pipeline_pb2 import ListModelsResponse, ModelInfo


def list_models(library: ModelLibrary) -> ListModelsResponse:
    """Every version of every model, those that cannot be used with why. Runs each new one once."""
    return ListModelsResponse(
        models=[
            ModelInfo(
                name=entry.name,
                version=entry.version,
                task=entry.task,
                description=entry.description,
                license=entry.license,
                sha256=entry.sha256,
                understood=entry.understood,
                problem=entry.problem,
                scale=entry.scale,
            )
            for entry in library.list()
        ]
    )
