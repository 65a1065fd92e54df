"""Where a command finds the services: those that --connect names, or some of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import typer

from reelwire.choices import choose_from
from reelwire.cli.console import err
from reelwire.cli.group import Topology, running_services
from reelwire.client.sdk import Reelwire, connect
from reelwire.errors import BadParameter, Internal, ReelwireError, Unavailable
from reelwire.hop.checks import STAGES

Result = TypeVar("Result")
KEPT_LINES = 5000

Connect = Annotated[
    str,
    typer.Option(
        help="Use running services instead of starting some: HOST:PORT, or stage=HOST:PORT with commas "
        "between. `reelwire serve` prints it.",
        rich_help_panel="Services",
    ),
]
InProcesses = Annotated[
    Topology,
    typer.Option(
        help="Processes for the services that are started: one for each, or one for all (fused): frames are "
        "then handed over as they are, and stages share one interpreter.",
        rich_help_panel="Services",
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Show the logs of all services on standard error.", rich_help_panel="Services"
    ),
]


def parse_addresses(text: str, stage: str) -> dict[str, str]:
    """ "HOST:PORT" → that of ``stage``; "stage=HOST:PORT,…" → those. BadParameter: neither."""
    addresses: dict[str, str] = {}
    for part in text.split(","):
        name, equals, address = part.strip().rpartition("=")
        name = name if equals else stage
        if name not in STAGES:
            raise BadParameter(f"--connect: {choose_from('stage', name, STAGES)}", field="connect")
        host, colon, port = address.rpartition(":")
        if not (address.startswith("unix:") or (host and colon and port.isdigit())):
            raise BadParameter(f'--connect "{part}"; expected HOST:PORT or stage=HOST:PORT', field="connect")
        addresses[name] = f"{addresses[name]},{address}" if name in addresses else address
    return addresses


class Log:
    """The lines of all services in one place: shown, and kept for when something breaks."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    def __call__(self, line: str) -> None:
        self._lines.append(line)
        if self._show:
            err.print(line, markup=False, style="dim")

    def keep_for(self, error: ReelwireError) -> None:
        """Writes the lines to a file that the message names, where they say more than the error does."""
        if self._show or not self._lines or not isinstance(error, Internal | Unavailable):
            return
        try:
            handle, name = tempfile.mkstemp(prefix="reelwire-", suffix=".log")
            with os.fdopen(handle, "w") as file:
                file.writelines(f"{line}\n" for line in self._lines)
        except OSError:
            return  # the error itself is what counts
        error.message += f" (logs of the services: {name})"


@asynccontextmanager
async def services(
    connect_to: str,
    *,
    stages: Sequence[str] = STAGES,
    topology: Topology = Topology.PROCESSES,
    verbose: bool = False,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Reelwire]:
    """A connection; services that had to be started are ended afterwards."""
    if connect_to:
        async with connect(parse_addresses(connect_to, stages[0])) as reelwire:
            yield reelwire
        return
    log = Log(show=verbose)
    try:
        running = running_services(stages, topology=topology, environment=environment, on_log=log)
        async with running as group:
            try:
                async with connect(group.addresses) as reelwire:
                    yield reelwire
            except Unavailable as error:
                raise await group.why(error) from None
    except ReelwireError as error:
        log.keep_for(error)
        raise


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """To the end, or until Ctrl-C or SIGTERM: both end the work in order, then raise KeyboardInterrupt. A
    second one does not wait for the order: services are killed."""

    async def guarded() -> Result:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    return asyncio.run(guarded())
