"""ListEffects: what a stream can name."""

from __future__ import annotations

from collections.abc import Mapping

from reelwire.v1.pipeline_pb2 import EffectInfo, ListEffectsResponse
from services.editor.params import describe
from services.editor.registry import EffectKind


def list_effects(kinds: Mapping[str, EffectKind]) -> ListEffectsResponse:
    """Every effect with its parameters, by name."""
    return ListEffectsResponse(
        effects=[
            EffectInfo(name=name, help=kinds[name].help, params=describe(kinds[name].params))
            for name in sorted(kinds)
        ]
    )
