"""``reelwire serve``: the services, until Ctrl-C."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from reelwire.choices import choose_from
from reelwire.cli.connection import InProcesses, run_async
from reelwire.cli.console import err, one_line_errors, out
from reelwire.cli.group import Group, Topology, running_services
from reelwire.cli.inputs import own_environment
from reelwire.errors import BadParameter, Unavailable
from reelwire.hop.checks import STAGES


def serve(
    stages: Annotated[list[str] | None, typer.Argument(help="Services; all four by default.")] = None,
    models: Annotated[str, typer.Option(help="Folder of model directories of your own.")] = "",
    topology: InProcesses = Topology.PROCESSES,
) -> None:
    """Start the services on free loopback ports and keep them until Ctrl-C.

    Prints their addresses; their logs come to standard error, each line with its service and stream.

    reelwire serve

    reelwire serve generator editor --models my-models

    For fixed ports, other addresses or several machines start each one with its REELWIRE_… settings:
    python -P -m services generator
    """
    with one_line_errors():
        chosen = tuple(stages or STAGES)
        for stage in chosen:
            if stage not in STAGES:
                raise BadParameter(choose_from("service", stage, STAGES))
        environment = own_environment(models=models)
        with suppress(KeyboardInterrupt):  # the way to end it
            run_async(_serve(chosen, topology, environment))


async def _serve(stages: tuple[str, ...], topology: Topology, environment: dict[str, str]) -> None:
    def show(line: str) -> None:
        err.print(line, markup=False)

    running = running_services(stages, topology=topology, environment=environment, on_log=show)
    async with running as group:
        _announce(group)
        dead = await group.first_end()
        assert dead is not None
        raise Unavailable(f"{dead.stage} at {dead.place.address} {dead.ended}", stage=dead.stage)


def _announce(group: Group) -> None:
    for stage, service in group.services.items():
        out.print(f"{stage:<10} {service.place.address}  metrics {service.place.metrics_url}", markup=False)
    connect = ",".join(f"{stage}={address}" for stage, address in group.addresses.items())
    out.print(f"use it: reelwire run INPUT OUTPUT --connect {connect}", markup=False)
