"""TensorRT."""

from __future__ import annotations

from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.libraries import ENTERPRISE

BACKEND = TensorRtBackend(ENTERPRISE)
