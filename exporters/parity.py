"""Compares a model folder with the network that it was exported from.

    reelwire export parity runs/restyle/checkpoint.pt my-models/restyle

fp32: the graph on ONNX Runtime against PyTorch, at the traced size, the least one and two that were never
traced, the latter with an odd batch; a recurrent model over 60 frames as well, each side with its own state.
fp16: PyTorch in real half precision against PyTorch in float, since ONNX Runtime's CPU computes fp16 graphs
in fp32 and hides what overflows; over 200 frames where there is state. Exit status 1 beyond a tolerance.

With --write what was measured goes into [metrics] of model.toml, where reelwire export onnx has put what it
found: nothing is exported unmeasured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.errors import ExportError
from reelwire.models.manifest import MANIFEST_NAME
from training.errors import TrainingError
from training.extra import require_train_extra

if TYPE_CHECKING:
    from exporters.against_torch import Parity
    from exporters.half_by_torch import HalfParity


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
    add("--write", action="store_true", help="put what was measured into model.toml")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 where all agree, 1 with one line on stderr."""
    given = build_parser().parse_args(arguments)
    require_train_extra("comparing with PyTorch")
    try:
        measured = compare(given.checkpoint, given.model, given.tolerance, given.half_tolerance)
        for line in measured.lines():
            print(line)
        if given.write:
            write_metrics(given.model, measured)
    except (ExportError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or given.model} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Measured:
    """``half`` is None where the folder has no fp16."""

    exact: Parity
    half: HalfParity | None

    def lines(self) -> Iterator[str]:
        """One for each comparison."""
        exact, half = self.exact, self.half
        yield f"fp32: at most {exact.error:.2g} off from PyTorch at {len(exact.sizes)} sizes"
        if exact.steps:
            yield f"fp32: at most {exact.steps_error:.2g} off in {exact.steps} frames, state carried"
        if half:
            yield (
                f"fp16: PyTorch in half is at most {half.error:.2g} off in {half.steps} runs, "
                f"{half.late_error:.2g} in the last quarter"
            )


def compare(checkpoint_path: Path, folder: Path, tolerance: float, half_tolerance: float) -> Measured:
    """ExportError, TrainingError: what differs, or why nothing can be compared."""
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
    exact = with_steps(measure_parity(graph, exportable, tolerance), folder, exportable, tolerance)
    half = measure_half(exportable, states, half_tolerance) if "fp16" in precisions else None
    return Measured(exact, half)


def write_metrics(folder: Path, measured: Measured) -> None:
    """Into model.toml, which is replaced whole."""
    from exporters.description import half_metrics, parity_metrics
    from exporters.toml import toml_text

    path = folder / MANIFEST_NAME
    manifest = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = parity_metrics(measured.exact) | (half_metrics(measured.half) if measured.half else {})
    manifest["metrics"] = manifest.get("metrics", {}) | found
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_text(toml_text(manifest), encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
