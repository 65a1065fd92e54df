"""Starts the services as processes of this machine, watches them, and ends them with the command."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from reelwire.errors import Unavailable
from reelwire.hop.checks import STAGES

START_TIMEOUT_S = 60.0
POLL_S = 0.05
STOP_TIMEOUT_S = 10.0
KEPT_LOG_LINES = 40
PORT_ATTEMPTS = 3
HOST = "127.0.0.1"


@dataclass
class ServiceProcess:
    """One running service. ``log``: its newest lines."""

    stage: str
    port: int
    metrics_port: int
    process: asyncio.subprocess.Process
    log: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LOG_LINES))
    reader: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """host:port of gRPC."""
        return f"{HOST}:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads."""
        return f"http://{HOST}:{self.metrics_port}/metrics"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that are free now; held until all are found, so that none comes twice."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind((HOST, 0))
        return [int(holder.getsockname()[1]) for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _die_with_parent() -> None:
    """Where the kernel can do it, a service ends with the command even when that is killed."""
    import ctypes

    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL("libc.so.6").prctl(pr_set_pdeathsig, signal.SIGTERM)
    except (OSError, AttributeError):
        return


@dataclass
class Group:
    """The four services."""

    services: dict[str, ServiceProcess]

    @property
    def addresses(self) -> dict[str, str]:
        """Stage → "host:port"."""
        return {stage: service.address for stage, service in self.services.items()}

    async def first_end(self) -> ServiceProcess:
        """Waits until one has ended by itself."""
        waits = {asyncio.ensure_future(s.process.wait()): s for s in self.services.values()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()]
        finally:
            for wait in waits:
                wait.cancel()

    async def stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that stay."""
        for service in self.services.values():
            if service.process.returncode is None:
                service.process.terminate()
        for service in self.services.values():
            try:
                await asyncio.wait_for(service.process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                service.process.kill()
                await service.process.wait()
            if service.reader is not None:
                await service.reader


async def _start(
    stage: str,
    ports: Mapping[str, tuple[int, int]],
    environment: Mapping[str, str],
    on_log: Callable[[str], None],
) -> ServiceProcess:
    port, metrics_port = ports[stage]
    settings = {
        **os.environ,
        **environment,
        "REELWIRE_PORT": str(port),
        "REELWIRE_METRICS_PORT": str(metrics_port),
        "REELWIRE_HOST": HOST,
        "REELWIRE_DRAIN_S": os.environ.get("REELWIRE_DRAIN_S", "2"),
        **{f"REELWIRE_{other.upper()}_ADDR": f"{HOST}:{ports[other][0]}" for other in ports},
    }
    # -P: a "services" folder where the command is typed must not shadow ours. A session of its own: Ctrl-C is
    # for the command, which ends its services in order.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        f"services.{stage}",
        env=settings,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )
    service = ServiceProcess(stage, port, metrics_port, process)
    service.reader = asyncio.create_task(_read_log(service, on_log))
    return service


async def _read_log(service: ServiceProcess, on_log: Callable[[str], None]) -> None:
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
        service.log.append(text)
        on_log(text)


async def _wait_serving(service: ServiceProcess) -> None:
    async with grpc.aio.insecure_channel(service.address) as channel:
        check: grpc.aio.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        while service.process.returncode is None:
            try:
                answer = await check(health_pb2.HealthCheckRequest(), timeout=1.0, wait_for_ready=True)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.aio.AioRpcError:
                pass
            await asyncio.sleep(POLL_S)
    if service.reader is not None:
        await service.reader
    lines = [line for line in service.log if line.strip()]
    raise Unavailable(
        f"{service.stage} did not start: {lines[-1] if lines else 'it said nothing'}", stage=service.stage
    )


@asynccontextmanager
async def running_services(
    stages: Sequence[str] = STAGES,
    *,
    environment: Mapping[str, str] | None = None,
    on_log: Callable[[str], None] = lambda line: None,
) -> AsyncIterator[Group]:
    """The services on free ports, serving; ended when the block is left. Unavailable: one does not start.

    ``environment``: settings (``REELWIRE_…``) beside those that this process has.
    """
    for attempt in range(PORT_ATTEMPTS):
        numbers = free_ports(2 * len(stages))
        ports = {stage: (numbers[2 * i], numbers[2 * i + 1]) for i, stage in enumerate(stages)}
        group = Group({stage: await _start(stage, ports, environment or {}, on_log) for stage in stages})
        try:
            await asyncio.wait_for(
                asyncio.gather(*(_wait_serving(service) for service in group.services.values())),
                START_TIMEOUT_S,
            )
        except TimeoutError:
            await group.stop()
            raise Unavailable(f"the services did not start within {START_TIMEOUT_S:g} s") from None
        except Unavailable as error:
            await group.stop()
            taken = "cannot listen" in error.message or "Address already in use" in error.message
            if not taken or attempt == PORT_ATTEMPTS - 1:
                raise
            continue
        except BaseException:
            await group.stop()
            raise
        try:
            yield group
        finally:
            await group.stop()
        return
