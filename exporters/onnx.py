"""Exports a checkpoint as a model folder that services load.

    reelwire export onnx runs/restyle/checkpoint.pt --out DIR --name restyle --version 1

writes DIR/restyle/model.onnx (opset 20, float32, batch and size free), sample.npz (one small run that every
machine must reproduce) and model.toml. The graph is run on ONNX Runtime at sizes that were never traced, a
recurrent one also over 60 frames with its state carried, and compared with PyTorch; nothing is written where
they differ. Then:

    reelwire check DIR/restyle
    reelwire run in.mp4 out.mp4 --models DIR --model restyle
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exporters.errors import ExportError
from reelwire.models.manifest import NAME_PATTERN
from training.errors import TrainingError
from training.extra import require_train_extra

if TYPE_CHECKING:
    from exporters.against_torch import Parity
    from exporters.description import Naming


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="reelwire export onnx",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="checkpoint.pt of a training")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of models; made where it is missing")
    add("--name", required=True, type=_name, help="folder below DIR, and what --model is given")
    add("--version", required=True, type=_name, help="what a stream is bound to: raise it with each export")
    add("--license", default="Apache-2.0", help="licence of the weights (default: %(default)s)")
    add(
        "--tolerance", type=float, default=1e-4, help="largest difference from PyTorch (default: %(default)s)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 on success, 1 with one line on stderr."""
    given = build_parser().parse_args(arguments)
    require_train_extra("exporting")
    from exporters.description import Naming

    try:
        parity = export(
            given.checkpoint, given.out, Naming(given.name, given.version, given.license), given.tolerance
        )
    except (ExportError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or given.out} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    off = f"at most {parity.error:.2g} off from PyTorch at {len(parity.sizes)} sizes"
    print(f"wrote {given.out / given.name}: {off}")
    return 0


def export(checkpoint_path: Path, models: Path, naming: Naming, tolerance: float) -> Parity:
    """Checkpoint → ``models/<name>``, whole or not at all. ExportError, TrainingError: why not."""
    from exporters.against_torch import measure_parity
    from exporters.complete import complete
    from exporters.description import describe, parity_metrics
    from exporters.directory import check_replaceable, new_model_folder
    from exporters.graph import export_graph
    from exporters.recurrence import with_steps
    from exporters.toml import toml_text
    from reelwire.engines.graph import read_graph
    from reelwire.models.location import GRAPH_NAME
    from reelwire.models.manifest import MANIFEST_NAME
    from training.checkpoint import load_checkpoint
    from training.recipe import find_recipe

    checkpoint = load_checkpoint(checkpoint_path)
    check_replaceable(models / naming.name)
    try:
        exportable = find_recipe(checkpoint.model).exportable(checkpoint.config, checkpoint.modules)
    except KeyError as error:
        raise ExportError(f"{checkpoint_path} lacks {error}: it is of another version; train again") from None
    graph = export_graph(exportable)
    with new_model_folder(models, naming.name) as folder:
        (folder / GRAPH_NAME).write_bytes(graph.SerializeToString())
        parity = measure_parity(folder / GRAPH_NAME, exportable, tolerance)
        sha256 = read_graph(folder / GRAPH_NAME).sha256
        described = describe(exportable.manifest, naming, checkpoint, sha256, parity_metrics(parity))
        (folder / MANIFEST_NAME).write_text(toml_text(described), encoding="utf-8")
        parity = with_steps(parity, folder, exportable, tolerance)
        described["metrics"] |= parity_metrics(parity)
        complete(folder, described)
    return parity


def _name(text: str) -> str:
    if not re.match(NAME_PATTERN, text):
        raise argparse.ArgumentTypeError(f'"{text}": expected letters, digits, ".", "_" and "-"')
    return text


if __name__ == "__main__":
    sys.exit(main())
