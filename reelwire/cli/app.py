"""The command ``reelwire``: puts the commands together."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwire import __version__
from reelwire.cli.check import check
from reelwire.cli.console import out
from reelwire.cli.demo import demo
from reelwire.cli.doctor import doctor
from reelwire.cli.export import export
from reelwire.cli.graph import graph
from reelwire.cli.lists import effects_app, formats, models
from reelwire.cli.probe import probe
from reelwire.cli.run import run
from reelwire.cli.serve import serve
from reelwire.memory import keep_freed_buffers

app = typer.Typer(
    name="reelwire",
    help="Real-time AI video, served as gRPC microservices.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
)
for _command in (run, demo, serve, probe, models, formats, check, doctor, graph):
    app.command()(_command)
# What follows the subcommand's name is the exporter's, --help too.
app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    }
)(export)
app.add_typer(effects_app, name="effects")


def _version(asked: bool) -> None:
    if asked:
        out.print(f"reelwire {__version__}", markup=False)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Real-time AI video, served as gRPC microservices."""
    del version


def main() -> None:
    """The console script."""
    keep_freed_buffers()
    app(prog_name="reelwire")
