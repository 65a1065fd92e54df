"""``python -m services.generator``"""

from __future__ import annotations

import sys

from reelwire.server import Service, UnaryCall, main
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.v1.pipeline_pb2 import ListModelsRequest, ListModelsResponse
from services.generator.listing import list_models
from services.generator.stage import GeneratorFactory


def _calls(factory: StageFactory, settings: Settings) -> tuple[UnaryCall, ...]:
    del settings
    assert isinstance(factory, GeneratorFactory)
    return (
        UnaryCall(
            "ListModels", ListModelsRequest, ListModelsResponse, lambda request: list_models(factory.library)
        ),
    )


SERVICE = Service(GeneratorFactory, _calls)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
