"""``python -m services preprocess generator``: one process that hosts these services.

Neighbours hand chunks to each other as they are, without a wire; all answer on one port.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from reelwire.hop.checks import STAGES
from reelwire.server import main


def run(arguments: list[str]) -> int:
    """Exit status as of ``reelwire.server.main``; 2 where the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="python -m services", description=str(__doc__).split("\n")[0])
    parser.add_argument("stages", nargs="+", choices=STAGES, metavar="STAGE", help=", ".join(STAGES))
    stages = parser.parse_args(arguments).stages
    if len(set(stages)) != len(stages):
        parser.error("a stage is named twice")
    return main(*(importlib.import_module(f"services.{stage}.__main__").SERVICE for stage in stages))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
