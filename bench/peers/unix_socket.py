"""A stream socket of the Unix family: sendmsg on one side, recv_into a buffer that is there on the other."""

from __future__ import annotations

import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.load import Load, Meter, Work

NAME = "raw Unix socket"
NEEDS = ()
ECHOES = False
HEADER = struct.Struct("<q")  # nanosecond of sending; 0: the end
SEND_BUFFER_BYTES = 4 << 20


def consume(work: Work, meter: Meter, listening: Callable[[str], None]) -> None:
    """Receives into the same buffer again and again."""
    pixels, header = np.zeros(work.frame_shape, np.uint8), bytearray(HEADER.size)
    body = pixels.reshape(-1).data
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        where = str(Path(folder, "socket"))
        listener.bind(where)
        listener.listen(1)
        listening(where)
        connection, _ = listener.accept()
    with connection:
        while True:
            _fill(connection, memoryview(header))
            (sent_ns,) = HEADER.unpack(header)
            if not sent_ns:
                break
            _fill(connection, body)
            meter.took(sent_ns, pixels)
    meter.report()


def produce(work: Work, load: Load, meter: Meter, address: str) -> str:
    """The kernel's buffer is all that waits."""
    del work, meter
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        connection.connect(address)
        for sent_ns, pixels in load.frames():
            _send(connection, [memoryview(HEADER.pack(sent_ns)), pixels.reshape(-1).data])
        connection.sendall(HEADER.pack(0))
    return ""


def _fill(connection: socket.socket, buffer: memoryview) -> None:
    while buffer:
        count = connection.recv_into(buffer)
        if not count:
            raise EOFError("the producer left")
        buffer = buffer[count:]


def _send(connection: socket.socket, parts: list[memoryview]) -> None:
    while parts:
        count = connection.sendmsg(parts)
        while parts and count >= len(parts[0]):
            count -= len(parts.pop(0))
        if count:
            parts[0] = parts[0][count:]
