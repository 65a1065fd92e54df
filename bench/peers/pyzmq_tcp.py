"""pyzmq over TCP: PUSH to PULL, a few messages under way, without the copies that it can do without."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from bench.load import Load, Meter, Work

NAME = "pyzmq TCP"
NEEDS = ("zmq",)
ECHOES = False
HEADER = struct.Struct("<q")  # nanosecond of sending; 0: the end
WAITING_MESSAGES = 4  # on each side


def consume(work: Work, meter: Meter, listening: Callable[[str], None]) -> None:
    """Arrays over the message's own memory."""
    import zmq

    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.set_hwm(WAITING_MESSAGES)
        listening(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
        while True:
            header, body = socket.recv_multipart(copy=False)
            (sent_ns,) = HEADER.unpack(header.buffer)
            if not sent_ns:
                break
            meter.took(sent_ns, np.frombuffer(body.buffer, np.uint8).reshape(work.frame_shape))
    meter.report()


def produce(work: Work, load: Load, meter: Meter, address: str) -> str:
    """Blocks while too many messages wait."""
    import zmq

    del work, meter
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.set_hwm(WAITING_MESSAGES)
        socket.connect(address)
        for sent_ns, pixels in load.frames():
            socket.send_multipart([HEADER.pack(sent_ns), pixels.data], copy=False)
        socket.send_multipart([HEADER.pack(0), b""])
    return ""
