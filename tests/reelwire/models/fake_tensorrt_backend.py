"""A GPU with TensorRT that is not there, as a backend and as the library that a builder's process imports."""

from __future__ import annotations

from deploy.fake_tensorrt import fake_gpu
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.libraries import LibraryFacts

FAKE = fake_gpu("tensorrt")
globals().update(vars(FAKE.libraries.trt))  # Builder, OnnxParser, …, __version__
FACTS = LibraryFacts(name="tensorrt", module=__name__, distributions=(), fix="")
BACKEND = TensorRtBackend(
    FACTS, find=lambda: FAKE.gpu, missing=lambda facts: "", load=lambda facts: FAKE.libraries
)
