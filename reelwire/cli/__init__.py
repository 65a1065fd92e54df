"""The command line: one file for each command. Starts services as processes, never imports them."""

import sys

__all__ = ["main"]


def main() -> None:
    """The console script. Ctrl-C ends it in one line from its first moment on: the imports take a while."""
    try:
        from reelwire.cli.app import main as run_app

        run_app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
