"""One service as a process of this machine: started, watched, and ended with the command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from reelwire.errors import Unavailable

HOST = "127.0.0.1"
POLL_S = 0.05
HEALTH_TIMEOUT_S = 1.0
DEFAULT_DRAIN_S = "2"  # whoever ends the command does not want to wait for streams
STOP_AFTER_DRAIN_S = 15.0  # for a worker in the middle of a frame
NEWEST_LINES = 40

OnLog = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where a service listens."""

    port: int
    metrics_port: int

    @property
    def address(self) -> str:
        """host:port of gRPC."""
        return f"{HOST}:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads."""
        return f"http://{HOST}:{self.metrics_port}/metrics"


@dataclass
class ServiceProcess:
    """One running service, or several in one process. ``log``: its newest lines."""

    stages: tuple[str, ...]
    place: Place
    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)
    reader: asyncio.Task[None] | None = None

    @property
    def stage(self) -> str:
        """Its name in messages: ``generator``, ``generator+editor``."""
        return "+".join(self.stages)

    @property
    def ended(self) -> str:
        """How it ended, in words; empty while it runs."""
        status = self.process.returncode
        if status is None:
            return ""
        return (
            f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        )

    async def stop(self, within_s: float) -> None:
        """SIGTERM, and SIGKILL where it stays. At once where the caller is cancelled."""
        try:
            if self.process.returncode is None:
                self.process.terminate()
            async with asyncio.timeout(within_s):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()
        except asyncio.CancelledError:
            self.kill()
            raise
        if self.reader is not None:
            await self.reader

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.process.returncode is None:
            self.process.kill()

    async def serving(self) -> None:
        """Waits until it says so. Unavailable: it ended before, with its last words."""
        async with grpc.aio.insecure_channel(self.place.address) as channel:
            check: grpc.aio.UnaryUnaryMultiCallable[
                health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
            ] = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            while self.process.returncode is None:
                try:
                    answer = await check(health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT_S)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                except grpc.aio.AioRpcError:
                    pass  # not yet
                await asyncio.sleep(POLL_S)
        if self.reader is not None:
            await self.reader
        words = [line for line in self.log if line.strip()]
        raise Unavailable(
            f"{self.stage} did not start: {words[-1] if words else self.ended}", stage=self.stage
        )


async def start_service(
    stages: tuple[str, ...], places: Mapping[str, Place], environment: Mapping[str, str], on_log: OnLog
) -> ServiceProcess:
    """Starts a process that hosts ``stages``; does not wait until it serves. ``places``: where these and all
    others listen."""
    place = places[stages[0]]
    settings = {
        "REELWIRE_DRAIN_S": DEFAULT_DRAIN_S,
        **os.environ,
        **environment,
        "REELWIRE_HOST": HOST,
        "REELWIRE_PORT": str(place.port),
        "REELWIRE_METRICS_PORT": str(place.metrics_port),
        "REELWIRE_STOP_WITH_STDIN": "1",
        # Those of the same process are found without an address.
        **{
            f"REELWIRE_{other.upper()}_ADDR": "" if other in stages else there.address
            for other, there in places.items()
        },
    }
    # -P: a "services" folder where the command is typed must not shadow ours. A session of its own: Ctrl-C is
    # for the command, which ends its services in order. Standard input is a pipe whose other end only this
    # process holds: when it is killed, the pipe ends, and the service with it.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "services",
        *stages,
        env=settings,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    service = ServiceProcess(stages, place, process)
    service.reader = asyncio.create_task(_read_log(service, on_log))
    return service


def drain_s() -> float:
    """How long the services may take to end."""
    return float(os.environ.get("REELWIRE_DRAIN_S") or DEFAULT_DRAIN_S)


async def _read_log(service: ServiceProcess, on_log: OnLog) -> None:
    stream = service.process.stderr
    assert stream is not None
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # one overlong line
        if not line:
            return
        text = line.decode(errors="replace").rstrip()
        service.log = [*service.log[1 - NEWEST_LINES :], text]
        on_log(text)
