"""Model directories: found, checked, understood, loaded."""

from reelwire.models.check import Explanation, explain
from reelwire.models.entry import ModelEntry
from reelwire.models.library import ModelLibrary
from reelwire.models.loading import LoadedModel
from reelwire.models.recurrent import StatefulRunner
from reelwire.models.spec import ModelSpec

__all__ = [
    "Explanation",
    "LoadedModel",
    "ModelEntry",
    "ModelLibrary",
    "ModelSpec",
    "StatefulRunner",
    "explain",
]
