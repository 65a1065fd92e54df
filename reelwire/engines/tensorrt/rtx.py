"""TensorRT for RTX: GeForce RTX and its kin; not for data centre GPUs."""

from __future__ import annotations

from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.libraries import RTX

BACKEND = TensorRtBackend(RTX)
