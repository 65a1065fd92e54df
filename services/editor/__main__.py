"""``python -m services.editor``"""

from __future__ import annotations

import sys

from reelwire.server import Service, UnaryCall, main
from reelwire.settings import Settings
from reelwire.stage import StageFactory
from reelwire.v1.pipeline_pb2 import ListEffectsRequest, ListEffectsResponse
from services.editor.listing import list_effects
from services.editor.stage import EditorFactory


def _calls(factory: StageFactory, settings: Settings) -> tuple[UnaryCall, ...]:
    del settings
    assert isinstance(factory, EditorFactory)
    return (
        UnaryCall(
            "ListEffects",
            ListEffectsRequest,
            ListEffectsResponse,
            lambda request: list_effects(factory.kinds),
        ),
    )


SERVICE = Service(EditorFactory, _calls)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
