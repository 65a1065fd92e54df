"""``python -m exporters SUBCOMMAND …``: one subcommand, one module with its own command line."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
SUBCOMMANDS = {
    "onnx": "a checkpoint of a training → a model folder, compared with PyTorch before it is written",
    "precision": "adds fp16 and int8 to a model folder, with their measured likeness",
    "parity": "compares a model folder with PyTorch once more: sizes, many frames with state, half precision",
    "verify": "checks every precision of every model of a folder, and prints a table",
    "tensorrt": "builds TensorRT plans of a model folder",
    "inspect": "what a model needs: operators, sizes, memory, and which backends can run it",
}


def usage() -> str:
    """All subcommands, one line each."""
    lines = "\n".join(f"  {name:<10} {words}" for name, words in SUBCOMMANDS.items())
    return f"reelwire export SUBCOMMAND …\n\n{lines}\n\nreelwire export SUBCOMMAND --help says more."


def main(arguments: Sequence[str] | None = None) -> int:
    """The subcommand's exit status; 2 where there is none of that name, 130 after Ctrl-C or SIGTERM: what was
    half-written is gone."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in ("-h", "--help"):
        print(usage())
        return 0
    if not given or given[0] not in SUBCOMMANDS:
        named = f'"{given[0]}" is no subcommand' if given else "no subcommand was given"
        print(f"{named}; expected one of {', '.join(SUBCOMMANDS)}", file=sys.stderr)
        return 2
    try:
        status: int = importlib.import_module(f"exporters.{given[0]}").main(given[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # who read has enough; what is buffered must not be tried again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    return status


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
