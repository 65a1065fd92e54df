"""One call to a next hop: messages out, messages in, an error of ours where it ends in one."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import grpc.aio

from reelwire.errors import ReelwireError
from reelwire.hop.channels import Channels, process_path, send
from reelwire.hop.place import Wire
from reelwire.status import from_rpc_error

PIPE_MESSAGES = 16  # between two services of one process, each way

Write = Callable[[Wire], Awaitable[None]]
Carry = Callable[[AsyncIterator[Wire], Write], Awaitable[None]]
"""A service of this process: takes the caller's messages and writes its own; raises what ends the stream."""


class Call(Protocol):
    """What a Caller needs of it."""

    async def write(self, wire: Wire) -> bool:
        """Waits while the receiver is full; False where the call is over."""

    def read(self) -> AsyncIterator[Wire]:
        """Until the service has ended the stream. Raises ReelwireError where it ended in an error."""

    async def half_close(self) -> None:
        """Nothing more is written; what the service says to its end is still read."""

    def cancel(self) -> None:
        """Leaves. Safe to call more than once."""


class RemoteCall:
    """By gRPC."""

    def __init__(self, channels: Channels, stage: str, address: str) -> None:
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channels.get(address).stream_stream(
            process_path(stage)
        )
        self._call = method()
        self._peer = f"{stage} at {address}"
        self._connected = False

    async def write(self, wire: Wire) -> bool:
        """As Call.write."""
        assert isinstance(wire, bytes)
        self._connected = await send(self._call, wire, connected=self._connected)
        return self._connected

    async def read(self) -> AsyncIterator[Wire]:
        """As Call.read."""
        try:
            async for data in self._call:
                yield data
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, peer=self._peer) from None

    async def half_close(self) -> None:
        """As Call.half_close."""
        await self._call.done_writing()

    def cancel(self) -> None:
        """As Call.cancel."""
        self._call.cancel()


class _Pipe:
    """A bounded queue that can be closed from both ends."""

    def __init__(self) -> None:
        self._items: deque[Wire] = deque()
        self._changed = asyncio.Condition()
        self._closed = False

    async def put(self, item: Wire) -> bool:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._items) < PIPE_MESSAGES)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    async def items(self) -> AsyncIterator[Wire]:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._closed or bool(self._items))
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()


class LocalCall:
    """To a service of this process: the same stream, without a wire."""

    def __init__(self, carry: Carry) -> None:
        self._there, self._back = _Pipe(), _Pipe()
        self._error: ReelwireError | None = None
        self._task = asyncio.create_task(self._run(carry))

    async def _run(self, carry: Carry) -> None:
        async def write(wire: Wire) -> None:
            await self._back.put(wire)

        try:
            await carry(self._there.items(), write)
        except ReelwireError as error:
            self._error = copy.copy(error)  # the service goes on with its own
        finally:
            await self._there.close()
            await self._back.close()

    async def write(self, wire: Wire) -> bool:
        """As Call.write."""
        return await self._there.put(wire)

    async def read(self) -> AsyncIterator[Wire]:
        """As Call.read."""
        async for wire in self._back.items():
            yield wire
        if self._error is not None:
            raise self._error

    async def half_close(self) -> None:
        """As Call.half_close."""
        await self._there.close()

    def cancel(self) -> None:
        """As Call.cancel."""
        self._task.cancel()
