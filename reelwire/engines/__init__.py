"""Inference backends behind one interface; ``open_engine`` picks one."""

from reelwire.engines.backend import Engine, TensorSpec
from reelwire.engines.select import BACKENDS, installed_runtime, open_engine

__all__ = ["BACKENDS", "Engine", "TensorSpec", "installed_runtime", "open_engine"]
