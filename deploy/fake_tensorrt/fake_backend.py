"""A fake library as a backend: the same code as for the real one, with the fake given to it."""

from __future__ import annotations

from deploy.fake_tensorrt import as_tensorrt, as_tensorrt_rtx
from deploy.fake_tensorrt.library import FakeGpu
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.libraries import LibraryFacts

MODULES = {"tensorrt": as_tensorrt.__name__, "tensorrt-rtx": as_tensorrt_rtx.__name__}


def fake_backend(fake: FakeGpu) -> TensorRtBackend:
    """Runs on ``fake``; builds in a process that imports the fake anew, so that must be importable there."""
    name = fake.libraries.name
    facts = LibraryFacts(name=name, module=MODULES[name], distributions=(), fix="")
    return TensorRtBackend(
        facts, find=lambda: fake.gpu, missing=lambda facts: "", load=lambda facts: fake.libraries
    )
