"""``reelwire export``: the exporters, as a process of their own; serving never imports them."""

from __future__ import annotations

import os
import sys

import typer


def export(context: typer.Context) -> None:
    """Make, complete and check model folders; onnx and parity need the extra train.

    onnx: a checkpoint of a training → a model folder, compared with PyTorch before it is written.
    precision: adds fp16 and int8, with their measured likeness.
    parity: compares a model folder with PyTorch once more.
    verify: checks every precision of every model of a folder, and prints a table.
    tensorrt: builds TensorRT plans.
    inspect: what a model needs, and which backends can run it.

    reelwire export precision my-models/sketch --int8 --calibrate clip.mp4

    reelwire export inspect my-models/sketch

    reelwire export onnx --help says all that onnx takes, and so for each. The exit status is the exporter's.
    """
    sys.stdout.flush()
    # In this process's place: Ctrl-C and SIGTERM reach the exporter, and it has the time to clean up.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "exporters", *context.args])  # noqa: S606 - no shell is meant
