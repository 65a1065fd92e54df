"""gRPC as its tutorial has it: generated messages with the pixels in a bytes field, a server of threads, no
option but the limit on messages, the C library's own malloc."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np

from bench.load import Load, Meter, Work
from reelwire.v1.media_pb2 import Chunk

NAME = "stock gRPC, bytes field"
NEEDS = ()
ECHOES = True
LIMIT_BYTES = 32 << 20
OPTIONS = [("grpc.max_send_message_length", LIMIT_BYTES), ("grpc.max_receive_message_length", LIMIT_BYTES)]
SERVICE = "bench.Frames"
UNDER_WAY = 4  # of an echo; one way only, HTTP/2's own flow control holds the sender back


def consume(work: Work, meter: Meter, listening: Callable[[str], None]) -> None:
    """Until its one stream has ended."""
    ended = threading.Event()

    def take(requests: Iterator[Chunk], context: grpc.ServicerContext) -> Chunk:
        del context
        for message in requests:
            meter.took(message.pts[0], pixels_of(message, work))
        ended.set()
        return Chunk()

    def echo(requests: Iterator[Chunk], context: grpc.ServicerContext) -> Iterator[Chunk]:
        del context
        for message in requests:
            pixels = pixels_of(message, work)
            meter.took(message.pts[0], pixels)
            yield Chunk(pts=message.pts, data=pixels.tobytes())
        ended.set()

    codec: dict[str, Any] = {
        "request_deserializer": Chunk.FromString,
        "response_serializer": Chunk.SerializeToString,
    }
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Take": grpc.stream_unary_rpc_method_handler(take, **codec),
        "Echo": grpc.stream_stream_rpc_method_handler(echo, **codec),
    }
    server = grpc.server(ThreadPoolExecutor(2), options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    listening(f"127.0.0.1:{port}")
    ended.wait()
    server.stop(grace=1).wait()
    meter.report()


def produce(work: Work, load: Load, meter: Meter, address: str) -> str:
    """One call for all frames."""
    codec: dict[str, Any] = {
        "request_serializer": Chunk.SerializeToString,
        "response_deserializer": Chunk.FromString,
    }
    with grpc.insecure_channel(address, OPTIONS) as channel:
        if not work.echo:
            channel.stream_unary(f"/{SERVICE}/Take", **codec)(messages(load))
            return ""
        room = threading.Semaphore(UNDER_WAY)
        for message in channel.stream_stream(f"/{SERVICE}/Echo", **codec)(messages(load, room)):
            meter.took(message.pts[0], pixels_of(message, work))
            room.release()
    return ""


def messages(load: Load, room: threading.Semaphore | None = None) -> Iterator[Chunk]:
    """A message for each frame, made when there is ``room``."""
    for sent_ns, pixels in load.frames():
        if room is not None:
            room.acquire()
        yield Chunk(pts=[sent_ns], data=pixels.tobytes())


def pixels_of(message: Chunk, work: Work) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A view of the message's bytes."""
    return np.frombuffer(message.data, np.uint8).reshape(work.frame_shape)
