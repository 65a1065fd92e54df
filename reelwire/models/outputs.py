"""Finds the picture among what a probe run gave, and with it scale, window and value range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reelwire.engines.backend import Array, Engine
from reelwire.models.manifest import Manifest
from reelwire.models.pictures import PictureTensor
from reelwire.models.probe import Probed
from reelwire.models.refusal import refusal
from reelwire.models.roles import PICTURE_TYPES, Roles, layouts_of
from reelwire.models.spec import PICTURE_TASK, ModelSpec, Window

BEYOND_UNIT = 3.0
"""A float result above this cannot mean 0..1 or -1..1."""


def with_output(probed: Probed, engine: Engine, manifest: Manifest, roles: Roles) -> ModelSpec:
    """The spec with its output. ModelUnusable: the task is pictures, and none or several came out."""
    names = [tensor.name for tensor in engine.outputs if tensor.name not in roles.state_outputs]
    if probed.spec.task != PICTURE_TASK:
        return probed.spec
    if manifest.output.name:
        if manifest.output.name not in names:
            raise refusal(f'[output] name = "{manifest.output.name}": the graph has outputs {names}')
        names = [manifest.output.name]
    found = {}
    for name in names:
        layout = _layout(probed, probed.outputs[name], manifest)
        if layout:
            found[name] = layout
    if not found:
        shapes = ", ".join(f'"{name}" {list(probed.outputs[name].shape)}' for name in names) or "states only"
        raise refusal(
            f"no output is a picture for a {probed.width}x{probed.height} input; it gives {shapes}",
            'task = "segmentation"   # or what it is for, if its result is meant to be no picture',
        )
    if len(found) > 1:
        names_ = " or ".join(f'"{name}"' for name in found)
        raise refusal(f"several outputs could be the picture: {names_}", "[output]", f'name = "{min(found)}"')
    name, layout = next(iter(found.items()))
    return _complete(probed, name, layout, manifest)


def _layout(probed: Probed, array: Array, manifest: Manifest) -> str:
    """The layout in which ``array`` is the input's picture, times a whole number; empty: it is none."""
    if array.dtype.name not in PICTURE_TYPES:
        return ""
    stated = manifest.output.layout
    window = probed.spec.window
    wanted = (stated,) if stated and len(stated) == array.ndim else layouts_of(array.shape, window.frames)
    same_first = sorted(wanted, key=lambda layout: layout != probed.spec.picture_input.layout)
    return next((layout for layout in same_first if _scale(probed, array, layout)), "")


def _scale(probed: Probed, array: Array, layout: str) -> int:
    """Whole factor between the sizes; 0: there is none."""
    if "K" in layout and array.shape[1 if layout == "NKHW" else 3] % 3:
        return 0
    height, width = PictureTensor("", "", layout).size_of(array.shape)
    factor = height // probed.height
    return factor if factor and (height, width) == (probed.height * factor, probed.width * factor) else 0


def _complete(probed: Probed, name: str, layout: str, manifest: Manifest) -> ModelSpec:
    spec, array = probed.spec, probed.outputs[name]
    said = manifest.output
    picture = spec.picture_input
    scale = _scale(probed, array, layout)
    output = PictureTensor(
        name=name,
        dtype=array.dtype.name,
        layout=layout,
        value_range=said.range or _range(picture, array),
        mean=said.mean or (0.0, 0.0, 0.0),
        std=said.std or (1.0, 1.0, 1.0),
        color=said.color or picture.color,
        height=picture.height and picture.height * scale,
        width=picture.width and picture.width * scale,
    )
    window = _window(spec.window, output.frames_of(array.shape), manifest)
    return replace(spec, image_output=output, scale=scale, window=window)


def _range(picture: PictureTensor, array: Array) -> str:
    if array.dtype == np.uint8:
        return "0..255"
    if picture.dtype == "uint8":
        return "0..255" if np.abs(array).max() > BEYOND_UNIT else "0..1"
    return picture.value_range


def _window(window: Window, output_frames: int, manifest: Manifest) -> Window:
    said = manifest.window.first_output if manifest.window else None
    first = (window.frames - output_frames) // 2 if said is None else said
    if output_frames < 1 or first < 0 or first + output_frames > window.frames:
        raise refusal(
            f"{output_frames} frames come out of a window of {window.frames}, the first for frame {first}; "
            "expected them to lie inside the window",
            "[window]",
            f"frames = {window.frames}",
            "first_output = 0",
        )
    if window.hop > output_frames:
        raise refusal(
            f"{output_frames} frames come out of each run, which moves on by {window.hop}: some are lost",
            "[window]",
            f"frames = {window.frames}",
            f"overlap = {window.frames - output_frames}",
        )
    return Window(window.frames, window.overlap, first, output_frames)


def words(spec: ModelSpec, manifest: Manifest) -> list[str]:
    """What was understood of the output, one line each."""
    output = spec.image_output
    if output is None:
        return [
            f'result: "{spec.task}", read by who asks for it; it cannot run on a stream of frames by itself'
        ]
    lines = [
        f'output "{output.name}" ({output.dtype}): the picture, {output.layout}, {output.color.upper()}, '
        f"{output.value_range}, size x{spec.scale}"
    ]
    if manifest.output.range is None and output.dtype != "uint8":
        lines[0] += ' (range assumed; if not so, write in model.toml: [output] range = "0..255" or "-1..1")'
    return lines
