"""``reelwire export``: the exporters, as a process of their own; serving never imports them."""

from __future__ import annotations

import subprocess
import sys

import typer


def export(context: typer.Context) -> None:
    """Make and complete model folders; needs the extra train to export.

    onnx: a checkpoint of a training → a model folder.
    precision: adds fp16 and int8, with their measured likeness.
    parity: compares a model folder with PyTorch.
    tensorrt: builds TensorRT plans.
    inspect: what a model needs, and which backends can run it.

    reelwire export precision my-models/sketch --int8 --calibrate clip.mp4

    reelwire export inspect my-models/sketch

    reelwire export onnx --help says all that onnx takes, and so for each. The exit status is the exporter's.
    """
    command = [sys.executable, "-P", "-m", "exporters", *context.args]
    raise typer.Exit(subprocess.run(command, check=False).returncode)
