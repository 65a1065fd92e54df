"""Trains a model that Reelwire serves.

    python -m training.train restyle --data DIR --style IMAGE --features squeezenet11.onnx --out runs/restyle

The same command goes on where a run was stopped. ``--data``: any folder of pictures and clips; a few dozen of
each are enough. ``--features``: SqueezeNet 1.1 in Caffe's form, as ONNX (``training.ncnn`` makes it). Time:
about ten minutes on two idle CPU cores. Each model names the source of its method at the top of its file in
``training/models``; docs/models.md has the commands and figures of the ones that ship. To serve the result:

    reelwire export onnx runs/restyle/checkpoint.pt --out DIR --name restyle --version 1
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.extra import require_train_extra

NOT_IN_CONFIG = frozenset(
    {"model", "out", "threads", "log_every", "save_every", "sample_every", "stop_after"}
)


def build_parser() -> argparse.ArgumentParser:
    """One subcommand for each recipe."""
    from training.recipe import find_recipe, recipe_names

    parser = argparse.ArgumentParser(prog="python -m training.train", description="Trains a model.")
    commands = parser.add_subparsers(dest="model", required=True, metavar="MODEL")
    for name in recipe_names():
        recipe = find_recipe(name)
        command = commands.add_parser(
            name,
            help=recipe.help,
            description=recipe.help,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        add = command.add_argument
        add("--out", type=Path, required=True, help="folder of this run")
        add("--steps", type=int, default=2500, help="steps of the whole training")
        add("--seed", type=int, default=1, help="start of everything random")
        add("--precision", choices=("float32", "bfloat16"), default="float32", help="of the arithmetic")
        add("--threads", type=int, default=0, help="CPU threads; 0: all")
        add("--log-every", type=int, default=10, help="steps between lines of log.csv")
        add("--save-every", type=int, default=250, help="steps between checkpoints")
        add("--sample-every", type=int, default=250, help="steps between sample pictures")
        add("--stop-after", type=int, help="stop early, at this step; go on later")
        recipe.add_arguments(command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 on success, 1 with one line on stderr."""
    require_train_extra("training")
    import torch

    from training.errors import TrainingError
    from training.loop import Run, train

    given = build_parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    run = Run(given.out, given.log_every, given.save_every, given.sample_every, given.stop_after)
    config = {name: value for name, value in vars(given).items() if name not in NOT_IN_CONFIG}
    try:
        path = train(given.model, config, run, lambda line: print(line, flush=True))
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or given.out} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
