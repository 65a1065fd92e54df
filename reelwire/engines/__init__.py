"""Inference backends behind one interface; ``open_engine`` picks one."""

import os

from reelwire.engines.backend import Engine, TensorSpec
from reelwire.engines.select import BACKENDS, Wanted, open_engine

# ONNX Runtime reports its use to its maker unless this is set when its first session opens: nothing leaves
# the machine, and no thread and database of its own come with each process.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["BACKENDS", "Engine", "TensorSpec", "Wanted", "open_engine"]
