"""Adds precisions to a model folder, each with its measured likeness to fp32.

    reelwire export precision my-models/sketch --fp16 --int8 --calibrate clip.mp4

writes model.fp16.onnx, model.s8s8.onnx (int8 for TensorRT and OpenVINO) and model.u8s8.onnx (int8 for ONNX
Runtime on CPUs) beside model.onnx, and lists them in model.toml. Where they are missing there, it also adds
[sample] (one small run that every machine must reproduce), [[profiles]] (sizes for TensorRT) and [quality].
A precision that is less like fp32 than [quality] min_psnr_db is refused with its figure. The folder is
replaced whole or not at all.

int8 is calibrated on frames of the clips, and chosen and measured on others of them: give clips that are like
what the model will see.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from exporters.errors import ExportError
from exporters.sizes import size_of

FRAMES = 18
LEAST_FRAMES = 3
"""To calibrate on, to choose by and to measure with."""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="reelwire export precision",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, help="a model's folder, with model.onnx in fp32")
    add("--fp16", action="store_true", help="add fp16")
    add("--int8", action="store_true", help="add int8, in both forms")
    add("--calibrate", type=Path, nargs="+", default=[], metavar="CLIP", help="clips with real frames")
    add("--frames", type=int, default=FRAMES, help="frames of the clips to use (default: %(default)s)")
    add("--size", type=size_of, metavar="WxH", help="size of these frames (default: the model's, or 640x360)")
    add("--min-psnr-db", type=float, metavar="DB", help="the floor to write into [quality]")
    add("--keep-below-floor", action="store_true", help="keep what is below the floor; auto never takes it")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 on success, 1 with one line on stderr."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    if given.frames < LEAST_FRAMES:
        parser.error(f"--frames {given.frames}: expected {LEAST_FRAMES} at least")
    from exporters.variants import Wishes, add_variants

    wishes = Wishes(
        fp16=given.fp16,
        int8=given.int8,
        clips=tuple(given.calibrate),
        frames=given.frames,
        size=given.size,
        floor_db=given.min_psnr_db,
        keep_below_floor=given.keep_below_floor,
    )
    try:
        add_variants(given.model, wishes, say=print)
    except ExportError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or given.model} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
