"""``reelwire graph``: the pipeline as a Mermaid flowchart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelwire.cli.console import one_line_errors, out
from reelwire.cli.options import PipelineOptions, build_config
from reelwire.pipeline import as_mermaid


def graph(
    config: Annotated[Path | None, typer.Option(help="YAML with all that a stream can say.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of the generator.")] = None,
    effect: Annotated[list[str] | None, typer.Option(help="NAME or NAME:PARAM=VALUE,…")] = None,
    route: Annotated[str, typer.Option(help="Stages with commas.")] = "",
) -> None:
    """Draw the pipeline that these options make, as a Mermaid flowchart.

    reelwire graph --model restyle --effect grade --effect text:text=live > pipeline.mmd
    """
    with one_line_errors():
        options = PipelineOptions(config=config, model=model, effects=list(effect or ()), route=route)
        out.print(as_mermaid(build_config(options)), markup=False)
