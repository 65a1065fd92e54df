"""Compares a model folder with the network that it was exported from.

    reelwire export parity runs/restyle/checkpoint.pt my-models/restyle

fp32: the graph on ONNX Runtime against PyTorch, at the traced size, the least one and two that were never
traced, the latter with an odd batch; a recurrent model over 60 frames as well, each side with its own state.
fp16: PyTorch in real half precision against PyTorch in float, since ONNX Runtime's CPU computes fp16 graphs
in fp32 and hides what overflows; over 200 frames where there is state. Exit status 1 beyond a tolerance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from exporters.errors import ExportError
from training.errors import TrainingError
from training.extra import require_train_extra


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="reelwire export parity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="checkpoint.pt of the training")
    add("model", type=Path, help="the model's folder")
    add("--tolerance", type=float, default=1e-4, help="of fp32 (default: %(default)s)")
    add("--half-tolerance", type=float, default=2e-2, help="of fp16 (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 where all agree, 1 with one line on stderr."""
    given = build_parser().parse_args(arguments)
    require_train_extra("comparing with PyTorch")
    try:
        for line in compare(given.checkpoint, given.model, given.tolerance, given.half_tolerance):
            print(line)
    except (ExportError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def compare(checkpoint_path: Path, folder: Path, tolerance: float, half_tolerance: float) -> Sequence[str]:
    """One line for each thing that was measured. ExportError, TrainingError: what differs, or why not."""
    from exporters.against_torch import measure_parity
    from exporters.half_by_torch import measure_half
    from exporters.recurrence import state_shapes, with_steps
    from exporters.served import opened
    from training.checkpoint import load_checkpoint
    from training.recipe import find_recipe

    checkpoint = load_checkpoint(checkpoint_path)
    exportable = find_recipe(checkpoint.model).exportable(checkpoint.config, checkpoint.modules)
    with opened(folder) as served:
        graph = served.files.facts.path
        precisions = {variant.precision for variant in served.files.variants}
        states = state_shapes(served, exportable)
    parity = with_steps(measure_parity(graph, exportable, tolerance), folder, exportable, tolerance)
    lines = [f"fp32: at most {parity.error:.2g} off from PyTorch at {len(parity.sizes)} sizes"]
    if parity.steps:
        lines.append(f"fp32: at most {parity.steps_error:.2g} off in {parity.steps} frames, state carried")
    if "fp16" in precisions:
        half = measure_half(exportable, states, half_tolerance)
        lines.append(
            f"fp16: PyTorch in half is at most {half.error:.2g} off in {half.steps} runs, "
            f"{half.late_error:.2g} in the last quarter"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
