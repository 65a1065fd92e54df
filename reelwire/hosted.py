"""One service inside a process: its factory, its streams, its calls. A process hosts one or several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

from reelwire.front import Front
from reelwire.hop.calls import Carry
from reelwire.hop.channels import Channels
from reelwire.hop.context import ServiceContext
from reelwire.hop.rings import PixelPolicy
from reelwire.hop.sweeper import Sweeper
from reelwire.settings import Settings
from reelwire.stage import StageFactory


@dataclass(frozen=True)
class UnaryCall:
    """A call beside Process. ``answer`` runs on a thread; ``streams_in``: its argument is the whole request
    stream, read on the event loop by an async ``answer``."""

    name: str
    request: type[Message]
    response: type[Message]
    answer: Callable[..., Any]
    streams_in: bool = False


@dataclass(frozen=True)
class Service:
    """What a service is made of: its factory, and what is particular to it."""

    make_factory: Callable[[Settings], StageFactory]
    calls: Callable[[StageFactory, Settings], tuple[UnaryCall, ...]] = lambda factory, settings: ()


@dataclass(frozen=True)
class Shared:
    """What all services of a process share. ``neighbours``: each other, by stage."""

    settings: Settings
    channels: Channels
    copier: Executor
    unary: Executor
    pixels: PixelPolicy
    sweeper: Sweeper
    neighbours: Mapping[str, Carry]
    after_stream: Callable[[], None]


class Hosted:
    """Runs on the event loop; its stages on threads of their own."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._factory = service.make_factory(settings)
        self._calls = service.calls(self._factory, settings)
        self._workers = ThreadPoolExecutor(settings.stream_slots, thread_name_prefix=self._factory.name)
        self.stage = self._factory.name
        self.name = f"reelwire.v1.{self.stage.capitalize()}"

    def open(self, shared: Shared) -> None:
        """Ready for streams."""
        self._unary = shared.unary
        context = ServiceContext(
            self._factory,
            shared.settings,
            shared.channels,
            self._workers,
            shared.copier,
            shared.pixels,
            shared.sweeper,
            shared.neighbours,
        )
        self.front = Front(context, shared.after_stream)

    def handlers(self) -> grpc.GenericRpcHandler:
        """Process takes and gives bytes: wire.py reads and writes them without a second copy."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Process": grpc.stream_stream_rpc_method_handler(self.front.process)
        }
        for call in self._calls:
            make = (
                grpc.stream_unary_rpc_method_handler
                if call.streams_in
                else grpc.unary_unary_rpc_method_handler
            )
            handlers[call.name] = make(
                self._answering(call),
                request_deserializer=call.request.FromString,
                response_serializer=call.response.SerializeToString,
            )
        return grpc.method_handlers_generic_handler(self.name, handlers)

    def _answering(self, call: UnaryCall) -> Callable[[Any, Any], Any]:
        async def answer(request: Any, context: Any) -> Any:
            del context
            if call.streams_in:
                return await call.answer(request, self._unary)
            return await asyncio.get_running_loop().run_in_executor(self._unary, call.answer, request)

        return answer

    def close(self, *, drained: bool) -> None:
        """Not on the event loop: a worker on its way out may still ask something of it. Threads in the middle
        of work are left behind where it is not ``drained``."""
        self._workers.shutdown(wait=drained, cancel_futures=True)
        if drained:
            self._factory.close()
