"""``reelwire check``: what is understood of a model, or what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelwire.cli.console import EXIT_ERROR, one_line_errors, out


def check(
    model: Annotated[Path, typer.Argument(help="model.onnx, or the directory that holds it")],
) -> None:
    """Explain what is understood of an ONNX model, or what is missing and how to say it.

    reelwire check my-models/sketch/model.onnx
    """
    from reelwire.models.check import explain  # half a second that no other command needs

    with one_line_errors():
        explained = explain(model)
        for line in explained.understood:
            out.print(line, markup=False)
        if explained.problem:
            out.print(f"problem: {explained.problem}", markup=False, style="red")
            if explained.fix:
                out.print(f"fix: {explained.fix}", markup=False)
            raise typer.Exit(EXIT_ERROR)
        out.print("usable", style="green")
