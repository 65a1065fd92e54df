"""Where a command finds the services: those that --connect names, or four of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import typer

from reelwire.cli.console import err
from reelwire.cli.processes import running_services
from reelwire.client.sdk import Reelwire, connect
from reelwire.errors import BadParameter
from reelwire.hop.checks import STAGES

Result = TypeVar("Result")

Connect = Annotated[
    str,
    typer.Option(
        help="Use running services instead of starting some: HOST:PORT of preprocess, or "
        "stage=HOST:PORT with commas between.",
        rich_help_panel="Services",
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the services' logs.", rich_help_panel="Services")
]


def parse_addresses(text: str) -> dict[str, str]:
    """ "HOST:PORT" → preprocess; "stage=HOST:PORT,…" → those."""
    if "=" not in text:
        return {"preprocess": text}
    addresses = {}
    for part in text.split(","):
        stage, _, address = part.strip().partition("=")
        if stage not in STAGES or not address:
            raise BadParameter(f'--connect "{part}"; expected stage=HOST:PORT with a stage of {STAGES}')
        addresses[stage] = address
    return addresses


def log_printer(verbose: bool) -> Callable[[str], None]:
    """Prints the services' lines: all of them, or warnings and errors only."""

    def show(line: str) -> None:
        if verbose or " WARNING " in line or " ERROR " in line:
            err.print(line, markup=False, style="dim")

    return show


@asynccontextmanager
async def services(
    connect_to: str,
    *,
    stages: Sequence[str] = STAGES,
    verbose: bool = False,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Reelwire]:
    """A connection; services that had to be started are ended afterwards."""
    if connect_to:
        async with connect(parse_addresses(connect_to)) as reelwire:
            yield reelwire
        return
    async with (
        running_services(stages, environment=environment, on_log=log_printer(verbose)) as group,
        connect(group.addresses) as reelwire,
    ):
        yield reelwire


def own_environment(source: str = "", models: str = "") -> dict[str, str]:
    """Settings for services that belong to this command: whoever types it may open what it names."""
    environment = {}
    if "REELWIRE_ASSET_ROOT" not in os.environ:
        environment["REELWIRE_ASSET_ROOT"] = os.getcwd()
    if models:
        known = os.environ.get("REELWIRE_MODEL_PATH", "")
        environment["REELWIRE_MODEL_PATH"] = ":".join(part for part in (models, known) if part)
    if "://" in source and not source.startswith("file:") and "REELWIRE_INPUT_URLS" not in os.environ:
        environment["REELWIRE_INPUT_URLS"] = source
    if source.startswith("/dev/") and "REELWIRE_INPUT_DEVICES" not in os.environ:
        environment["REELWIRE_INPUT_DEVICES"] = source
    return environment


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """To the end, or until Ctrl-C or SIGTERM: both end the work in order, then raise KeyboardInterrupt."""

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
