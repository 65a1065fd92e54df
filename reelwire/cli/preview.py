"""One picture of a clip through one effect."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from reelwire.client.sdk import Reelwire
from reelwire.client.source import find_source
from reelwire.complete import check_target, write_complete
from reelwire.errors import BadParameter, InputNotFound
from reelwire.media import Frames, PixelLayout, Pixels
from reelwire.pixels import convert
from reelwire.v1.config_pb2 import EffectConfig, StreamConfig

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
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


def check_picture(target: Path, *, overwrite: bool) -> None:
    """BadParameter, PermissionDenied: no such picture can be written."""
    if target.suffix.lower() not in PICTURES:
        raise BadParameter(f"{target}: expected a name that ends in {', '.join(PICTURES)}", field="target")
    check_target(target, overwrite=overwrite)


async def preview_effect(
    reelwire: Reelwire, effect: EffectConfig, clip: str, seconds: float, target: Path
) -> None:
    """Writes the picture at ``seconds`` with the effect on it. InputNotFound: the clip has no picture
    there."""
    config = StreamConfig(route=["preprocess", "editor"])
    config.preprocess.mute = True
    config.preprocess.start_s = max(0.0, seconds - BEFORE_S)
    config.preprocess.duration_s = seconds - config.preprocess.start_s + BEFORE_S
    config.editor.effects.append(effect)
    pictures = await grab_all(reelwire, config, clip, [seconds])
    save_picture(target, pictures[0])


def save_picture(target: Path, rgb: Pixels) -> None:
    """Writes (H, W, 3) uint8 RGB in the format of the name's ending. Raises as ``reelwire.complete`` says."""
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, PICTURES[target.suffix.lower()])
    write_complete(target, data.getvalue())


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
