"""VidGear's NetGear, its default pattern, without compression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.load import Load, Meter, Work, noise
from reelwire.cli.group import free_ports
from reelwire.media import Pixels

NAME = "VidGear NetGear, no compression"
NEEDS = ("zmq", "vidgear.gears")
ECHOES = False
STAMP_BYTES = 8
OPTIONS: dict[str, Any] = {"jpeg_compression": False, "max_retries": 10, "request_timeout": 10}


def consume(work: Work, meter: Meter, listening: Callable[[str], None]) -> None:
    """A frame's first bytes are the nanosecond of its sending: NetGear carries nothing beside it."""
    from vidgear.gears import NetGear

    del work
    (port,) = free_ports(1)
    gear = NetGear(address="127.0.0.1", port=str(port), receive_mode=True, **OPTIONS)
    listening(str(port))
    while (pixels := gear.recv()) is not None:
        sent_ns = int(pixels.reshape(-1)[:STAMP_BYTES].view(np.int64)[0])
        if not sent_ns:
            break
        meter.took(sent_ns, pixels)
    gear.close()
    meter.report()


def produce(work: Work, load: Load, meter: Meter, address: str) -> str:
    """Never closes: on a close the receiver forgets the frames that it has not given out yet."""
    from vidgear.gears import NetGear

    del meter
    gear = NetGear(address="127.0.0.1", port=address, **OPTIONS)
    own = noise(work)  # the load's are read-only
    for sent_ns, _ in load.frames():
        _send(gear, own[load.sent % len(own)], sent_ns)
    _send(gear, own[0], 0)
    return ""


def _send(gear: Any, pixels: Pixels, stamp: int) -> None:
    pixels.reshape(-1)[:STAMP_BYTES] = np.frombuffer(np.int64(stamp).tobytes(), np.uint8)
    gear.send(pixels)
