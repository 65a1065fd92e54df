"""``python -m exporters SUBCOMMAND …``: one subcommand, one module with its own command line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

SUBCOMMANDS = {
    "onnx": "a checkpoint of a training → a model folder",
    "precision": "adds fp16 and int8 to a model folder, with their measured likeness",
    "parity": "compares a model folder with PyTorch: sizes, many frames with state, half precision",
    "tensorrt": "builds TensorRT plans of a model folder",
    "inspect": "what a model needs: operators, sizes, memory, and which backends can run it",
}


def usage() -> str:
    """All subcommands, one line each."""
    lines = "\n".join(f"  {name:<10} {words}" for name, words in SUBCOMMANDS.items())
    return f"reelwire export SUBCOMMAND …\n\n{lines}\n\nreelwire export SUBCOMMAND --help says more."


def main(arguments: Sequence[str] | None = None) -> int:
    """The subcommand's exit status; 2 where there is none of that name."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in ("-h", "--help"):
        print(usage())
        return 0
    if not given or given[0] not in SUBCOMMANDS:
        named = f'"{given[0]}" is no subcommand' if given else "no subcommand was given"
        print(f"{named}; expected one of {', '.join(SUBCOMMANDS)}", file=sys.stderr)
        return 2
    status: int = importlib.import_module(f"exporters.{given[0]}").main(given[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
