"""Where the command line writes: results to standard output, all else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from reelwire.errors import ReelwireError

PLAIN_WIDTH = 200  # columns of a table that goes into a file or pipe: nothing is cut there


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(stderr=stderr, width=width, soft_wrap=True, highlight=False)


out = _console(stderr=False)
err = _console(stderr=True)

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended


def interactive() -> bool:
    """True where someone watches: progress and hints are shown only then."""
    return sys.stderr.isatty()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """A ReelwireError or OSError becomes one line and exit status 1, Ctrl-C and SIGTERM exit status 130; a
    reader of standard output that is gone ends in silence."""
    try:
        yield
    except ReelwireError as error:
        where = f" [{error.stage}]" if error.stage else ""
        _fail(f"{error.code}{where}: {error.message}")
    except BrokenPipeError:
        # What is buffered for it must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_BROKEN_PIPE) from None
    except OSError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        err.print("interrupted", markup=False)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _fail(text: str) -> None:
    err.print(f"error: {' '.join(text.split())}", markup=False, style="bold red")
    raise typer.Exit(EXIT_ERROR) from None
