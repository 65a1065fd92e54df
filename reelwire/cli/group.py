"""The services that one command starts for itself: on free ports, all serving, all ended with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum

from reelwire.cli.processes import (
    HOST,
    STOP_AFTER_DRAIN_S,
    OnLog,
    Place,
    ServiceProcess,
    drain_s,
    start_service,
)
from reelwire.errors import Unavailable
from reelwire.hop.checks import STAGES

START_TIMEOUT_S = 60.0
PORT_ATTEMPTS = 3
DEATH_NOTICE_S = 1.0  # between a call that fails and the news that its process has ended
PORT_TAKEN = ("cannot listen", "Address already in use")


class Topology(StrEnum):
    """How services are spread over processes."""

    PROCESSES = "processes"
    FUSED = "fused"


class Group:
    """Running services by stage; several may be in one process."""

    def __init__(self) -> None:
        self.services: dict[str, ServiceProcess] = {}

    @property
    def processes(self) -> tuple[ServiceProcess, ...]:
        """Each process once."""
        return tuple({id(service): service for service in self.services.values()}.values())

    @property
    def addresses(self) -> dict[str, str]:
        """Stage → "host:port"."""
        return {stage: service.place.address for stage, service in self.services.items()}

    async def first_end(self, within_s: float | None = None) -> ServiceProcess | None:
        """Waits until one has ended by itself; None: none has, within that time."""
        waits = {asyncio.ensure_future(s.process.wait()): s for s in self.processes}
        try:
            done, _ = await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()] if done else None
        finally:
            for wait in waits:
                wait.cancel()

    async def why(self, error: Unavailable) -> Unavailable:
        """The same error, or what is behind it: one of the processes has ended."""
        dead = await self.first_end(DEATH_NOTICE_S)
        if dead is None:
            return error
        return Unavailable(f"{dead.stage} at {dead.place.address} {dead.ended}", stage=dead.stage)

    async def start(
        self, hosts: Sequence[tuple[str, ...]], environment: Mapping[str, str], on_log: OnLog
    ) -> None:
        """Starts a process for each of ``hosts``, the stages in it, and waits until all serve. Unavailable:
        one does not."""
        numbers = free_ports(2 * len(hosts))
        places = {
            stage: Place(numbers[2 * i], numbers[2 * i + 1]) for i, host in enumerate(hosts) for stage in host
        }
        for host in hosts:
            service = await start_service(host, places, environment, on_log)
            self.services |= dict.fromkeys(host, service)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await asyncio.gather(*(service.serving() for service in self.processes))
        except TimeoutError:
            raise Unavailable(f"the services did not start within {START_TIMEOUT_S:g} s") from None

    async def stop(self) -> None:
        """Ends all, in order; at once where this is cancelled too. None stays."""
        within_s = drain_s() + STOP_AFTER_DRAIN_S
        try:
            await asyncio.gather(*(service.stop(within_s) for service in self.processes))
        finally:
            for service in self.processes:
                service.kill()


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


@asynccontextmanager
async def running_services(
    stages: Sequence[str] = STAGES,
    *,
    topology: Topology = Topology.PROCESSES,
    environment: Mapping[str, str] | None = None,
    on_log: OnLog = lambda line: None,
) -> AsyncIterator[Group]:
    """The services on free ports, serving; ended when the block is left. Unavailable: one does not start.

    ``topology``: a process for each, or one for all.

    ``environment``: settings (``REELWIRE_…``) beside those that this process has.
    """
    for attempt in range(PORT_ATTEMPTS):
        group = Group()
        try:
            try:
                fused = topology is Topology.FUSED
                hosts = [tuple(stages)] if fused else [(stage,) for stage in stages]
                await group.start(hosts, environment or {}, on_log)
            except Unavailable as error:
                taken = any(words in error.message for words in PORT_TAKEN)
                if taken and attempt < PORT_ATTEMPTS - 1:
                    continue
                raise
            yield group
            return
        finally:
            await group.stop()
