"""The chain as gRPC's tutorial would have it: a synchronous server for each stage that calls the next one.

Generated messages with the pixels in a bytes field, the C library's own malloc, no option but the limit on
messages. As a process: ``python -m bench.chain.stock NEXT_ADDRESS``; prints its address as JSON, and ends
with its standard input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import numpy as np

from bench.chain.stages import mark, written
from bench.chain.window import Returned, sample
from bench.load import Load, Meter, Work
from bench.processes import started
from bench.table import Sample
from reelwire.hop.checks import STAGES
from reelwire.media import Pixels
from reelwire.v1.media_pb2 import Chunk

LIMIT_BYTES = 32 << 20
OPTIONS = [("grpc.max_send_message_length", LIMIT_BYTES), ("grpc.max_receive_message_length", LIMIT_BYTES)]
SERVICE, METHOD = "bench.Chain", "Process"


def pixels_of(message: Chunk) -> Pixels:
    """(N,) uint8, a view of the message's bytes."""
    return np.frombuffer(message.data, np.uint8)


def method_of(channel: grpc.Channel) -> Any:
    """The call that takes and gives messages."""
    return channel.stream_stream(
        f"/{SERVICE}/{METHOD}",
        request_serializer=Chunk.SerializeToString,
        response_deserializer=Chunk.FromString,
    )


def serve(next_address: str) -> None:
    """One stage; the last one where there is no next address."""

    def changed(requests: Iterator[Chunk]) -> Iterator[Chunk]:
        for message in requests:
            yield Chunk(pts=message.pts, data=written(pixels_of(message)).tobytes())

    def process(requests: Iterator[Chunk], context: grpc.ServicerContext) -> Iterator[Chunk]:
        del context
        if next_address:
            yield from method_of(channel)(changed(requests))
            return
        for message in requests:
            yield Chunk(pts=message.pts, data=mark(written(pixels_of(message))))

    channel = grpc.insecure_channel(next_address or "127.0.0.1:1", OPTIONS)
    server = grpc.server(ThreadPoolExecutor(2), options=OPTIONS)
    handler = grpc.stream_stream_rpc_method_handler(
        process, request_deserializer=Chunk.FromString, response_serializer=Chunk.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
    sys.stdin.buffer.read()
    server.stop(grace=None).wait()
    channel.close()


class Stock:
    """The client."""

    def __init__(self, address: str, pids: list[int]) -> None:
        self._address = address
        self._pids = pids

    def run(self, work: Work, kind: str) -> Sample:
        """One window; HTTP/2's own flow control holds the sender back."""
        del kind
        load, meter = Load(work, [os.getpid(), *self._pids]), Meter()
        returned = Returned(work, meter)
        frames = (Chunk(pts=[sent_ns], data=pixels.tobytes()) for sent_ns, pixels in load.frames())
        with grpc.insecure_channel(self._address, OPTIONS) as channel:
            for message in method_of(channel)(frames):
                returned.came(message.pts[0], time.monotonic_ns(), message.data)
        return sample(load, meter)


@contextmanager
def running(within_s: float) -> Iterator[Stock]:
    """Four servers, the last first."""
    with ExitStack() as stack:
        address, pids = "", []
        for _ in STAGES:
            command = "bench.chain.stock", address
            server = stack.enter_context(started(*command, environment={}, within_s=within_s))
            address = server.line()["address"]
            pids.append(server.pid)
        yield Stock(address, pids)


if __name__ == "__main__":
    serve(sys.argv[1])
