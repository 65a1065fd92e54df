"""``reelwire serve``: the services, until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwire.cli.connection import own_environment, run_async
from reelwire.cli.console import err, one_line_errors, out
from reelwire.cli.processes import Group, running_services
from reelwire.errors import BadParameter, Unavailable, choose_from
from reelwire.hop.checks import STAGES


def serve(
    stages: Annotated[list[str] | None, typer.Argument(help="Services; all four by default.")] = None,
    models: Annotated[str, typer.Option(help="Folder of model directories of your own.")] = "",
) -> None:
    """Start the services on free loopback ports and keep them until Ctrl-C; their logs come here.

    For fixed ports, other addresses or several machines start each one with its REELWIRE_… settings:
    python -m services.generator
    """
    with one_line_errors():
        chosen = tuple(stages or STAGES)
        for stage in chosen:
            if stage not in STAGES:
                raise BadParameter(choose_from("service", stage, STAGES))
        run_async(_serve(chosen, own_environment(models=models)))


async def _serve(stages: tuple[str, ...], environment: dict[str, str]) -> None:
    def show(line: str) -> None:
        err.print(line, markup=False)

    async with running_services(stages, environment=environment, on_log=show) as group:
        _announce(group)
        dead = await group.first_end()
        raise Unavailable(
            f"{dead.stage} at {dead.address} ended by itself, status {dead.process.returncode}",
            stage=dead.stage,
        )


def _announce(group: Group) -> None:
    for stage, service in group.services.items():
        out.print(f"{stage:<10} {service.address}  metrics {service.metrics_url}", markup=False)
    connect = ",".join(f"{stage}={address}" for stage, address in group.addresses.items())
    out.print(f"use it: reelwire run INPUT OUTPUT --connect {connect}", markup=False)
