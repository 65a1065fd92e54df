"""gRPC channels to next hops: one for each address, shared by all streams of the process."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from reelwire.settings import MESSAGE_OVERHEAD_BYTES

KEEPALIVE_MS = 20_000
RECONNECT_MS = (200, 2_000)  # first and longest wait: a service that was started again is found again soon


def grpc_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """Options of every channel and server. Only limits and patience: all other options measured no gain."""
    limit = max_message_bytes + MESSAGE_OVERHEAD_BYTES
    return [
        ("grpc.max_send_message_length", limit),
        ("grpc.max_receive_message_length", limit),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS[1]),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    ]


def process_path(stage: str) -> str:
    """Full method name of a stage's Process."""
    return f"/reelwire.v1.{stage.capitalize()}/Process"


Sendable = grpc.aio.StreamStreamCall[bytes, bytes] | grpc.aio.StreamUnaryCall[bytes, Any]


async def send(call: Sendable, data: bytes, *, connected: bool = False) -> bool:
    """Writes one message; False where the call is over. ``connected``: one has been written before.

    The library's own ``write`` marks a call that the other end has just ended as failed by itself: the true
    status, and whatever the other end still said, its accounts among it, are lost. So the core's operation is
    used where it can be reached; a grpcio without it gets the library's way.
    """
    core = getattr(call, "_cython_call", None)
    try:
        if not connected:
            await call.wait_for_connection()
        if core is None:
            await call.write(data)
        else:
            await core.send_serialized_message(data)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.InternalError):
        return False
    return True


class Channels:
    """Opens channels when first asked for; closes them all at the end."""

    def __init__(self, max_message_bytes: int) -> None:
        self._options = grpc_options(max_message_bytes)
        self._open: dict[str, grpc.aio.Channel] = {}

    def get(self, address: str) -> grpc.aio.Channel:
        """The channel to ``host:port`` or ``unix:path``; does not wait for a connection."""
        if address not in self._open:
            self._open[address] = grpc.aio.insecure_channel(address, options=self._options)
        return self._open[address]

    async def close(self) -> None:
        """Closes all; calls under way are cancelled."""
        for channel in self._open.values():
            await channel.close()
        self._open.clear()
