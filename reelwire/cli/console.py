"""Where the command line writes: results to standard output, all else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from reelwire.errors import ReelwireError

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130


def interactive() -> bool:
    """True where someone watches: progress and hints are shown only then."""
    return sys.stderr.isatty()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """A ReelwireError becomes one line and exit status 1; Ctrl-C exit status 130."""
    try:
        yield
    except ReelwireError as error:
        where = f" [{error.stage}]" if error.stage else ""
        text = " ".join(error.message.split())
        err.print(f"error: {error.code}{where}: {text}", markup=False, style="bold red")
        raise typer.Exit(EXIT_ERROR) from None
    except KeyboardInterrupt:
        err.print("interrupted", markup=False)
        raise typer.Exit(EXIT_INTERRUPTED) from None
