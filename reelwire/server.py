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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc.aio
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from reelwire import __version__, metrics
from reelwire.errors import ReelwireError
from reelwire.hop.calls import Carry
from reelwire.hop.channels import Channels, grpc_options
from reelwire.hop.rings import pixel_policy
from reelwire.hop.sweeper import Sweeper
from reelwire.hosted import Hosted, Service, Shared, UnaryCall
from reelwire.interceptors import ErrorsToStatus
from reelwire.memory import collect_stream, forget_the_start, keep_freed_buffers
from reelwire.settings import Settings, load_settings

log = logging.getLogger(__name__)
COPIER_THREADS = 2
UNARY_THREADS = 2
__all__ = ["Server", "Service", "UnaryCall", "main"]
CHANNELZ = "grpc.channelz.v1.Channelz"
EXIT_BAD_SETTINGS = 2
STATUS_GRACE_S = 2.0  # for the statuses of streams that have just ended


class Server:
    """Runs one service, or several side by side, until it is told to stop."""

    def __init__(
        self,
        services: Sequence[Service],
        settings: Settings,
        *,
        after_stream: Callable[[], None] = lambda: None,
    ) -> None:
        """``after_stream`` is called on the event loop whenever a stream has ended."""
        self._after_stream = after_stream
        self._settings = settings
        self._hosted = tuple(Hosted(service, settings) for service in services)
        self.stages = tuple(hosted.stage for hosted in self._hosted)
        self._copier = ThreadPoolExecutor(COPIER_THREADS, thread_name_prefix="copy")
        self._unary = ThreadPoolExecutor(UNARY_THREADS, thread_name_prefix="unary")
        pixels = pixel_policy(settings)
        self._pixels, self._sweeper = pixels, Sweeper(pixels, self._copier)
        self.port = 0
        self.metrics_port = 0

    async def start(self) -> None:
        """Binds and serves. OSError: an address cannot be bound."""
        settings = self._settings
        self._open()
        options = [*grpc_options(settings.max_message_bytes), ("grpc.so_reuseport", 0)]
        self._server = grpc.aio.server(interceptors=(ErrorsToStatus(),), options=options)
        self._server.add_generic_rpc_handlers(tuple(hosted.handlers() for hosted in self._hosted))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        channelz.add_channelz_servicer(self._server)
        names = tuple(hosted.name for hosted in self._hosted)
        reflection.enable_server_reflection(
            (*names, health.SERVICE_NAME, CHANNELZ, reflection.SERVICE_NAME), self._server
        )
        try:
            self.port = self._server.add_insecure_port(f"{settings.host}:{settings.port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on {settings.host}:{settings.port}: {error}") from None
        self._start_metrics()
        await self._server.start()
        for service in ("", *names):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    def _open(self) -> None:
        neighbours: dict[str, Carry] = {}
        self._channels = Channels(self._settings.max_message_bytes)
        shared = Shared(
            self._settings,
            self._channels,
            self._copier,
            self._unary,
            self._pixels,
            self._sweeper,
            neighbours,
            self._after_stream,
        )
        for hosted in self._hosted:
            hosted.open(shared)
            neighbours[hosted.stage] = hosted.front.carry_local
        self._sweeper.keep_on()

    def _start_metrics(self) -> None:
        settings = self._settings
        metrics.BUILD_INFO.info({"version": __version__, "python": platform.python_version()})
        for stage in self.stages:
            metrics.INSECURE_BIND.labels(stage).set(int(settings.insecure))
        self._http, self._http_thread = start_http_server(
            settings.metrics_port, addr=settings.host, registry=metrics.REGISTRY
        )
        self.metrics_port = int(self._http.server_port)

    async def stop(self) -> bool:
        """Drains: NOT_SERVING, MOVE to each stream, up to REELWIRE_DRAIN_S for them to end, then the rest.
        False where a stage is still in the middle of its work: its thread is left behind."""
        await self._health.enter_graceful_shutdown()
        fronts = (hosted.front.drain(self._settings.drain_s) for hosted in self._hosted)
        drained = all(await asyncio.gather(*fronts))
        await self._server.stop(grace=STATUS_GRACE_S)
        await self._channels.close()
        self._sweeper.stop()
        await asyncio.to_thread(self._stop_threads, drained=drained)
        return drained

    def _stop_threads(self, *, drained: bool) -> None:
        """Not on the event loop: a worker on its way out may still ask something of it."""
        self._http.shutdown()
        self._http.server_close()
        self._http_thread.join()
        for hosted in self._hosted:
            hosted.close(drained=drained)
        for executor in (self._copier, self._unary):
            executor.shutdown(wait=drained, cancel_futures=True)
        self._sweeper.now()


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


async def _serve(services: Sequence[Service], settings: Settings) -> None:
    server = Server(services, settings, after_stream=collect_stream)
    name = "+".join(server.stages)
    _configure_logs(settings, name)
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
        name,
        settings.host,
        server.port,
        settings.host,
        server.metrics_port,
    )
    await stop.wait()
    log.info("%s drains", name)
    if not await server.stop():
        log.error("a stage did not leave its work: exiting without it")
        _exit_now()


def main(*services: Service) -> int:
    """``python -m services NAME…``: exit status 0 after a drain, 2 where settings cannot be."""
    keep_freed_buffers()
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve(services, load_settings()))
        except (ReelwireError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_BAD_SETTINGS
    return 0
