"""The command line: one file for each command. Starts services as processes, never imports them."""

from reelwire.cli.app import main

__all__ = ["main"]
