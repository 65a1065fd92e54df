"""A service process: start, health, reflection, channelz, metrics, drain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import platform
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from reelwire import __version__, metrics
from reelwire.errors import ReelwireError
from reelwire.front import Front
from reelwire.hop.channels import Channels, grpc_options
from reelwire.hop.context import ServiceContext
from reelwire.interceptors import ErrorsToStatus
from reelwire.memory import collect_stream, forget_the_start, keep_freed_buffers
from reelwire.settings import Settings, load_settings
from reelwire.stage import StageFactory

log = logging.getLogger(__name__)
COPIER_THREADS = 2
UNARY_THREADS = 2
CHANNELZ = "grpc.channelz.v1.Channelz"
EXIT_BAD_SETTINGS = 2
STATUS_GRACE_S = 2.0  # for the statuses of streams that have just ended


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


class Server:
    """Runs one service until it is told to stop."""

    def __init__(
        self, service: Service, settings: Settings, *, after_stream: Callable[[], None] = lambda: None
    ) -> None:
        """``after_stream`` is called on the event loop whenever a stream has ended."""
        self._after_stream = after_stream
        self._settings = settings
        self._factory = service.make_factory(settings)
        self._calls = service.calls(self._factory, settings)
        self.stage = self._factory.name
        self._workers = ThreadPoolExecutor(settings.stream_slots, thread_name_prefix="stage")
        self._copier = ThreadPoolExecutor(COPIER_THREADS, thread_name_prefix="copy")
        self._unary = ThreadPoolExecutor(UNARY_THREADS, thread_name_prefix="unary")
        self.port = 0
        self.metrics_port = 0

    async def start(self) -> None:
        """Binds and serves. OSError: an address cannot be bound."""
        settings = self._settings
        self._channels = Channels(settings.max_message_bytes)
        self._front = Front(
            ServiceContext(self._factory, settings, self._channels, self._workers, self._copier),
            self._after_stream,
        )
        options = [*grpc_options(settings.max_message_bytes), ("grpc.so_reuseport", 0)]
        self._server = grpc.aio.server(interceptors=(ErrorsToStatus(),), options=options)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        channelz.add_channelz_servicer(self._server)
        name = f"reelwire.v1.{self.stage.capitalize()}"
        reflection.enable_server_reflection(
            (name, health.SERVICE_NAME, CHANNELZ, reflection.SERVICE_NAME), self._server
        )
        try:
            self.port = self._server.add_insecure_port(f"{settings.host}:{settings.port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on {settings.host}:{settings.port}: {error}") from None
        metrics.BUILD_INFO.info({"version": __version__, "python": platform.python_version()})
        metrics.INSECURE_BIND.labels(self.stage).set(int(settings.insecure))
        self._http, self._http_thread = start_http_server(
            settings.metrics_port, addr=settings.host, registry=metrics.REGISTRY
        )
        self.metrics_port = int(self._http.server_port)
        await self._server.start()
        for service in ("", name):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    def _handlers(self) -> grpc.GenericRpcHandler:
        """Process takes and gives bytes: wire.py reads and writes them without a second copy."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Process": grpc.stream_stream_rpc_method_handler(self._front.process)
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
        return grpc.method_handlers_generic_handler(f"reelwire.v1.{self.stage.capitalize()}", handlers)

    def _answering(self, call: UnaryCall) -> Callable[[Any, Any], Any]:
        async def answer(request: Any, context: Any) -> Any:
            del context
            if call.streams_in:
                return await call.answer(request, self._unary)
            return await asyncio.get_running_loop().run_in_executor(self._unary, call.answer, request)

        return answer

    async def stop(self) -> bool:
        """Drains: NOT_SERVING, MOVE to each stream, up to REELWIRE_DRAIN_S for them to end, then the rest.
        False where a stage is still in the middle of its work: its thread is left behind."""
        await self._health.enter_graceful_shutdown()
        drained = await self._front.drain(self._settings.drain_s)
        await self._server.stop(grace=STATUS_GRACE_S)
        await self._channels.close()
        await asyncio.to_thread(self._stop_threads, wait=drained)
        if drained:
            self._factory.close()
        return drained

    def _stop_threads(self, *, wait: bool) -> None:
        """Not on the event loop: a worker on its way out may still ask something of it."""
        self._http.shutdown()
        self._http.server_close()
        self._http_thread.join()
        for executor in (self._workers, self._copier, self._unary):
            executor.shutdown(wait=wait, cancel_futures=True)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _configure_logs(settings: Settings, stage: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter(f"%(asctime)s {stage:<10} %(levelname)-7s %(message)s")
    handler.setFormatter(_JsonLines() if settings.log_format == "json" else text)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])


def _exit_now() -> NoReturn:
    """Not sys.exit: threads in the middle of work would be waited for."""
    sys.stderr.flush()
    os._exit(1)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Whoever started this process holds the other end of the pipe: it ends with them, even when they are
    killed, on any system. OSError: standard input is no pipe."""
    number = sys.stdin.fileno()

    def on_readable() -> None:
        if not os.read(number, 4096):
            loop.remove_reader(number)
            log.info("standard input ended")
            stop.set()

    try:
        loop.add_reader(number, on_readable)
    except PermissionError:
        raise OSError("REELWIRE_STOP_WITH_STDIN=1 needs a pipe as standard input") from None


async def _serve(service: Service, settings: Settings) -> None:
    server = Server(service, settings, after_stream=collect_stream)
    _configure_logs(settings, server.stage)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            log.warning("second signal: exiting at once")
            _exit_now()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    if settings.stop_with_stdin:
        _watch_stdin(loop, stop)
    await server.start()
    forget_the_start()
    log.info(
        "%s serves on %s:%d, metrics on http://%s:%d/metrics",
        server.stage,
        settings.host,
        server.port,
        settings.host,
        server.metrics_port,
    )
    await stop.wait()
    log.info("%s drains", server.stage)
    if not await server.stop():
        log.error("a stage did not leave its work: exiting without it")
        _exit_now()


def main(service: Service) -> int:
    """``python -m services.<name>``: exit status 0 after a drain, 2 where settings cannot be."""
    keep_freed_buffers()
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve(service, load_settings()))
        except (ReelwireError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_BAD_SETTINGS
    return 0
