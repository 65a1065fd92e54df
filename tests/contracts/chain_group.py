"""Four services and a client as processes of their own, any of which can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from reelwire.cli.group import free_ports
from reelwire.cli.processes import HOST, Place, ServiceProcess
from reelwire.hop.checks import STAGES

LIVENESS_S = 60.0
GIVEN_UP_S = 150.0
"""A killed peer that the transport does not report is given up after REELWIRE_STALL_TIMEOUT_S, 60 s."""
CLIENT = "client"
ROLES = (*STAGES, CLIENT)


async def until(what: str, happened: Callable[[], bool]) -> None:
    """Waits for something that must happen."""
    start = time.monotonic()
    while not happened():
        assert time.monotonic() - start < LIVENESS_S, f"never: {what}"
        await asyncio.sleep(0.005)


def lives(number: int) -> bool:
    return psutil.pid_exists(number)


def listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex((HOST, port)) == 0


def open_files(number: int) -> list[str]:
    found = []
    for each in Path(f"/proc/{number}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(each))
    return sorted(found)


@dataclass
class ChainGroup:
    """``numbers``: of the processes that run, by role."""

    folder: Path
    maker: asyncio.subprocess.Process
    socket: Path
    places: dict[str, Place]
    numbers: dict[str, int] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)  # that each had open after its first stream
    _writer: asyncio.StreamWriter | None = None
    _connected: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(
        default_factory=asyncio.Queue
    )

    async def start(self, role: str) -> None:
        """A process for a role that has none; serving, or connected."""
        settings = {
            "REELWIRE_SHM_DIR": str(self.folder),
            "REELWIRE_RING_BYTES": str(32 << 20),
            "REELWIRE_DRAIN_S": "0",
            "REELWIRE_LOG_LEVEL": "warning",
        }
        place, arguments = self.places.get(role, self.places[STAGES[0]]), []
        if role == CLIENT:
            arguments = [place.address, str(self.socket)]
        else:
            settings |= {"REELWIRE_PORT": str(place.port), "REELWIRE_METRICS_PORT": str(place.metrics_port)}
            settings |= {f"REELWIRE_{each.upper()}_ADDR": p.address for each, p in self.places.items()}
        asked = {"role": role, "arguments": arguments, "environment": settings}
        assert self.maker.stdin is not None
        assert self.maker.stdout is not None
        self.maker.stdin.write(json.dumps(asked).encode() + b"\n")
        self.numbers[role] = int(await asyncio.wait_for(self.maker.stdout.readline(), LIVENESS_S))
        self.files.pop(role, None)
        if role == CLIENT:
            self._reader, self._writer = await asyncio.wait_for(self._connected.get(), LIVENESS_S)
        else:
            await until(f"{role} listens", lambda: listens(place.port))  # gRPC asks again after a second only
            await ServiceProcess(role, place, self.maker).serving()

    def close(self) -> None:
        """Leaves the client alone: it ends."""
        if self._writer is not None:
            self._writer.close()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client is there."""
        self._connected.put_nowait((reader, writer))

    def ask(self, count: int) -> None:
        """Has the client run a stream of so many frames; -1: without end."""
        assert self._writer is not None
        self._writer.write(f"{count}\n".encode())

    async def ended(self) -> str:
        """How that stream ended, as the client says."""
        return (await asyncio.wait_for(self._reader.readline(), LIVENESS_S)).decode().strip()

    async def good_stream(self) -> None:
        """Runs one; tried again where a service that was started is not found yet."""
        start = time.monotonic()
        while True:
            self.ask(8)
            ended = await self.ended()
            if ended == "OK shared_memory":
                return
            assert ended == "UNAVAILABLE", ended
            assert time.monotonic() - start < LIVENESS_S, "no stream runs"

    async def kill(self, *roles: str) -> None:
        """SIGKILL, and they are gone."""
        numbers = [self.numbers.pop(role) for role in roles]
        if CLIENT in roles:
            self.close()
        for number in numbers:
            os.kill(number, signal.SIGKILL)
        await until("they are gone", lambda: not any(map(lives, numbers)))

    async def stop(self) -> None:
        """SIGTERM: all end by themselves."""
        self.close()
        for role in STAGES:
            os.kill(self.numbers[role], signal.SIGTERM)
        numbers = list(self.numbers.values())
        await until("they have ended", lambda: not any(map(lives, numbers)))

    def metric(self, role: str, name: str) -> dict[str, float]:
        """Samples of a metric by their labels, as a service says."""
        with urllib.request.urlopen(self.places[role].metrics_url, timeout=LIVENESS_S) as page:
            text = page.read().decode()
        return {
            labels: float(value)
            for labels, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (.*)$", text, re.MULTILINE)
        }

    async def idle(self, role: str) -> None:
        """Until a service has no stream."""
        start = time.monotonic()
        while any((await asyncio.to_thread(self.metric, role, "reelwire_active_streams")).values()):
            assert time.monotonic() - start < GIVEN_UP_S, f"{role} never leaves its stream"

    async def check_files(self) -> None:
        """No process has more files open than when its first stream had ended."""
        for role, number in self.numbers.items():
            most = self.files.setdefault(role, open_files(number))
            start = time.monotonic()
            while len(now := open_files(number)) > len(most):
                assert time.monotonic() - start < LIVENESS_S, f"files of {role}: {most}, then {now}"
                await asyncio.sleep(0.005)

    def rings(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir())


@asynccontextmanager
async def chain_group(folder: Path) -> AsyncIterator[ChainGroup]:
    """All five, running; none is left after the block, whatever happens in it."""
    with tempfile.TemporaryDirectory() as temporary:
        maker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.contracts.chain_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        ports = free_ports(2 * len(STAGES))
        places = {stage: Place(ports[2 * i], ports[2 * i + 1]) for i, stage in enumerate(STAGES)}
        group = ChainGroup(folder, maker, Path(temporary, "client"), places)
        server = await asyncio.start_unix_server(group.connected, group.socket)
        try:
            for role in ROLES:
                await group.start(role)
            yield group
        finally:
            group.close()
            server.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(maker.pid, signal.SIGKILL)
            await maker.wait()
            await until("all are gone", lambda: not any(map(lives, group.numbers.values())))
