"""All backends, the best first: ``auto`` tries them in this order. Each is a file of its own, imported when
it is asked about."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from reelwire.engines.backend import Backend

_WHERE = {
    "tensorrt": "reelwire.engines.tensorrt.enterprise",
    "tensorrt-rtx": "reelwire.engines.tensorrt.rtx",
    "cuda": "reelwire.engines.cuda",
    "openvino": "reelwire.engines.openvino",
    "onnxruntime": "reelwire.engines.onnxruntime",
}
"""Each module has its backend as ``BACKEND``."""
BACKEND_NAMES = tuple(_WHERE)
CPU_BACKENDS = ("openvino", "onnxruntime")
"""Which of these is faster depends on the model and the CPU: it is measured."""
REFERENCE = "onnxruntime"
"""What all others are compared with; installed wherever models run."""


_STANDING_IN: dict[str, Backend] = {}


@contextmanager
def standing_in(*others: Backend) -> Iterator[None]:
    """These are what their names mean within the block: fakes, where what they stand for cannot run."""
    before = dict(_STANDING_IN)
    _STANDING_IN.update({each.name: each for each in others})
    try:
        yield
    finally:
        _STANDING_IN.clear()
        _STANDING_IN.update(before)


def backend(name: str) -> Backend:
    """The backend of that name. KeyError: there is none."""
    if name in _STANDING_IN:
        return _STANDING_IN[name]
    found: Backend = importlib.import_module(_WHERE[name]).BACKEND
    return found
