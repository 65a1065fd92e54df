"""A hop with somebody in between who notes how large its messages are: a raw gRPC server and a raw client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from reelwire.hop.channels import process_path, send
from reelwire.server import Service
from reelwire.stage import StageFactory
from reelwire.testing import addresses_of, loopback

NO_LIMIT = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@dataclass
class Sizes:
    """Bytes of every message, by the stage that was called."""

    there: dict[str, list[int]] = field(default_factory=dict)
    back: dict[str, list[int]] = field(default_factory=dict)

    @property
    def largest_bytes(self) -> int:
        return max(max(sizes) for way in (self.there, self.back) for sizes in way.values())


@asynccontextmanager
async def recorded(stage: str, address: str, sizes: Sizes) -> AsyncIterator[str]:
    """The address at which the same stage answers, with every message noted."""
    there, back = sizes.there.setdefault(stage, []), sizes.back.setdefault(stage, [])

    async def process(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        call = channel.stream_stream(process_path(stage))()

        async def pass_on() -> None:
            connected = False
            async for data in requests:
                there.append(len(data))
                connected = await send(call, data, connected=connected)
                if not connected:  # the other end has ended it: what it said is still read
                    return
            await call.done_writing()

        passing = asyncio.create_task(pass_on())
        try:
            async for data in call:
                back.append(len(data))
                yield data
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details(), tuple(error.trailing_metadata()))
        finally:
            passing.cancel()
            call.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    server = grpc.aio.server(options=NO_LIMIT)
    handler = grpc.stream_stream_rpc_method_handler(process)
    service = process_path(stage).split("/")[1]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Process": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    async with grpc.aio.insecure_channel(address, options=NO_LIMIT) as channel:
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(grace=0)


@asynccontextmanager
async def recorded_chain(
    services: Sequence[Service | StageFactory], settings: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[dict[str, str], Sizes]]:
    """The services on loopback, with somebody in between on every hop; the addresses that a client calls."""
    sizes, addresses = Sizes(), dict[str, str]()
    async with AsyncExitStack() as stack:
        for service in reversed(services):
            known = {f"{stage}_addr": address for stage, address in addresses.items()}
            started = await stack.enter_async_context(loopback([service], {**(settings or {}), **known}))
            for stage, address in addresses_of(started).items():
                addresses[stage] = await stack.enter_async_context(recorded(stage, address, sizes))
        yield addresses, sizes
