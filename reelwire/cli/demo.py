"""``reelwire demo``: a real clip restyled, edited and encoded, with a before/after sheet and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reelwire.cli.connection import Verbose, run_async, services
from reelwire.cli.console import one_line_errors, out
from reelwire.cli.inputs import own_environment
from reelwire.cli.preview import grab_all, save_picture
from reelwire.cli.show import progress, report_tables, show_notices
from reelwire.client.files import FileResult, Progress
from reelwire.client.sdk import Reelwire
from reelwire.complete import write_complete
from reelwire.errors import InputNotFound
from reelwire.media import Pixels
from reelwire.pipeline import parse_effect
from reelwire.v1.config_pb2 import StreamConfig

MODEL = "restyle"
SIZE = (640, 360)
EFFECTS = ("grade:contrast=1.08,saturation=1.1", "text:text=reelwire,size=0.08,end_s=3")
SHEET_TIMES_S = [0.5, 2.0, 3.5, 5.0]
CONTACT_WIDTH = 480
GAP_PIXELS = 6


def demo_config(model: str) -> StreamConfig:
    """The demo's pipeline."""
    config = StreamConfig(route=["preprocess", "generator", "editor", "encoder"], stream_id="demo")
    config.preprocess.width, config.preprocess.height = SIZE
    config.generator.model = model
    config.editor.effects.extend(parse_effect(text) for text in EFFECTS)
    return config


def demo(
    clip: Annotated[Path, typer.Option(help="Clip to work on.")] = Path("assets/bigbuckbunny.mp4"),
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for what it leaves.")] = Path("out"),
    model: Annotated[str, typer.Option(help="Model; see `reelwire models`.")] = MODEL,
    verbose: Verbose = False,
) -> None:
    """Restyle, edit and encode a real clip with its sound through four services on this machine.

    Leaves demo.mp4, demo.png (before above, after below) and report.json; replaces what is there.

    reelwire demo --clip holiday.mp4 --out holiday
    """
    with one_line_errors():
        if not clip.is_file():
            raise InputNotFound(f"clip {clip} does not exist; give one with --clip")
        out_folder.mkdir(parents=True, exist_ok=True)
        result = run_async(_demo(clip, out_folder, demo_config(model), verbose))
        write_complete(out_folder / "report.json", f"{json.dumps(result.report, indent=2)}\n".encode())
        show_notices(result)
        out.print(*report_tables(result.report), sep="\n")
        out.print(f"wrote {out_folder}/demo.mp4, demo.png and report.json", markup=False)


async def _demo(clip: Path, folder: Path, config: StreamConfig, verbose: bool) -> FileResult:
    target = folder / "demo.mp4"
    with progress(quiet=False) as show:
        show(Progress(f"starting four services for {clip.name}"))
        async with services("", verbose=verbose, environment=own_environment()) as reelwire:
            result = await reelwire.process_file(clip, target, config, on_progress=show, overwrite=True)
            show(Progress("drawing the contact sheet"))
            await _contact_sheet(reelwire, clip, target, folder / "demo.png")
    return result


async def _contact_sheet(reelwire: Reelwire, before: Path, after: Path, target: Path) -> None:
    rows = []
    for clip in (before, after):
        config = StreamConfig(route=["preprocess"])
        config.preprocess.width, config.preprocess.mute = CONTACT_WIDTH, True
        rows.append(await grab_all(reelwire, config, str(clip), SHEET_TIMES_S))
    save_picture(target, _tile(rows))


def _tile(rows: list[list[Pixels]]) -> Pixels:
    """Rows of pictures on white; pictures of one row have one size."""
    height, width = (max(row[0].shape[axis] for row in rows) for axis in (0, 1))
    columns = len(rows[0])
    sheet = np.full(
        (
            len(rows) * (height + GAP_PIXELS) + GAP_PIXELS,
            columns * (width + GAP_PIXELS) + GAP_PIXELS,
            3,
        ),
        255,
        np.uint8,
    )
    for y, row in enumerate(rows):
        for x, rgb in enumerate(row):
            top, left = GAP_PIXELS + y * (height + GAP_PIXELS), GAP_PIXELS + x * (width + GAP_PIXELS)
            sheet[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return sheet
