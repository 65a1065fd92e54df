"""One picture of a clip through one effect."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from reelwire.client.sdk import Reelwire
from reelwire.client.source import find_source
from reelwire.errors import BadParameter, InputNotFound
from reelwire.media import Frames, PixelLayout, Pixels
from reelwire.pipeline import parse_effect
from reelwire.pixels import convert
from reelwire.v1.config_pb2 import StreamConfig

PICTURES = (".png", ".jpg", ".jpeg")
BEFORE_S = 1.0  # effects with memory see this much of the clip before the picture


def parse_seconds(text: str) -> float:
    """ "3s" or "1.5" → seconds. BadParameter: neither."""
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        raise BadParameter(f'time "{text}"; expected seconds such as 3s or 1.5', field="at") from None
    if not 0 <= seconds < float("inf"):
        raise BadParameter(f'time "{text}"; expected 0 or more', field="at")
    return seconds


async def preview_effect(reelwire: Reelwire, effect: str, clip: str, at: str, target: Path) -> None:
    """Writes the picture at ``at`` with the effect on it. InputNotFound: the clip has no picture there."""
    if target.suffix.lower() not in PICTURES:
        raise BadParameter(f"{target}: expected a name that ends in {', '.join(PICTURES)}", field="target")
    seconds = parse_seconds(at)
    config = StreamConfig(route=["preprocess", "editor"])
    config.preprocess.mute = True
    config.preprocess.start_s = max(0.0, seconds - BEFORE_S)
    config.preprocess.duration_s = seconds - config.preprocess.start_s + BEFORE_S
    config.editor.effects.append(parse_effect(effect))
    rgb = await grab(reelwire, config, clip, seconds)
    part = target.with_name(f".{target.name}.part{target.suffix}")
    Image.fromarray(rgb).save(part)
    os.replace(part, target)


async def grab(reelwire: Reelwire, config: StreamConfig, clip: str, at_s: float) -> Pixels:
    """(H, W, 3) uint8 RGB: the picture that is shown ``at_s`` seconds after the clip's start."""
    pictures = await grab_all(reelwire, config, clip, [at_s])
    return pictures[0]


async def grab_all(reelwire: Reelwire, config: StreamConfig, clip: str, times_s: list[float]) -> list[Pixels]:
    """The pictures that are shown at these times, (H, W, 3) uint8 RGB each. InputNotFound: there are none."""
    source = find_source(clip)
    config.input.CopyFrom(source.input)
    found: dict[float, Pixels] = {}
    async with reelwire.stream(config, source.offers) as stream:
        await source.upload(stream)
        await stream.ready()
        async for chunk in stream.chunks():
            if isinstance(chunk.payload, Frames) and chunk.track == 0:
                _keep(chunk.payload, times_s, found)
    if not found:
        raise InputNotFound(f"{clip} has no picture at {times_s[0]:g} s", field="at")
    last = found[max(found)]
    return [found.get(time_s, last) for time_s in times_s]


def _keep(frames: Frames, times_s: list[float], found: dict[float, Pixels]) -> None:
    for index, pts in enumerate(frames.pts):
        shown_s = float(pts * frames.format.time_base)
        for time_s in times_s:
            if shown_s <= time_s + 1e-6 or time_s not in found:
                found[time_s] = convert(frames.pixels[index], frames.format.layout, PixelLayout.RGB24)
