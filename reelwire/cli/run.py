"""``reelwire run``: one input through the four services into one output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from reelwire.cli.connection import Connect, Verbose, own_environment, run_async, services
from reelwire.cli.console import err, interactive, one_line_errors
from reelwire.cli.options import PipelineOptions, build_config
from reelwire.cli.show import progress, report_table
from reelwire.client.files import FileResult, Progress
from reelwire.errors import BadParameter
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Notice

PICTURE, PREPARE, ENCODE, STREAM = "Picture", "Before", "Encoding", "Stream"


def run(  # noqa: PLR0913 - one parameter for each option that --help shows
    source: Annotated[str, typer.Argument(help="File, URL, camera or testsrc:size=WxH:rate=R:duration=S")],
    target: Annotated[str, typer.Argument(help='Output file; "-" is standard output')] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="The same as TARGET.")] = "",
    model: Annotated[
        str | None,
        typer.Option(help="Model; see `reelwire models`.", rich_help_panel=PICTURE),
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="Share of the model's result, 0 to 1.", rich_help_panel=PICTURE)
    ] = None,
    effect: Annotated[
        list[str] | None,
        typer.Option(
            help="Effect as NAME or NAME:PARAM=VALUE,PARAM=VALUE; in order; see `reelwire effects`.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT, 640x or x360.", rich_help_panel=PREPARE)] = "",
    fit: Annotated[str, typer.Option(help="scale, pad or crop.", rich_help_panel=PREPARE)] = "",
    rate: Annotated[str, typer.Option(help="Constant rate: 30, 30000/1001.", rich_help_panel=PREPARE)] = "",
    mute: Annotated[bool, typer.Option("--mute", help="No sound.", rich_help_panel=PREPARE)] = False,
    codec: Annotated[str, typer.Option(help="h264, hevc, vp9, av1 …", rich_help_panel=ENCODE)] = "",
    preset: Annotated[str, typer.Option(help="The encoder's own preset.", rich_help_panel=ENCODE)] = "",
    quality: Annotated[int | None, typer.Option(help="Quality (CRF).", rich_help_panel=ENCODE)] = None,
    bitrate: Annotated[int, typer.Option(help="Bits per second.", rich_help_panel=ENCODE)] = 0,
    gop: Annotated[int, typer.Option(help="Frames between keyframes.", rich_help_panel=ENCODE)] = 0,
    sound_codec: Annotated[str, typer.Option(help="aac or opus.", rich_help_panel=ENCODE)] = "",
    container: Annotated[
        str,
        typer.Option(help="Let the encoder write it: mp4, mpegts, matroska, webm.", rich_help_panel=ENCODE),
    ] = "",
    live: Annotated[
        bool, typer.Option("--live", help="Low delay; drop frames, never get older.", rich_help_panel=STREAM)
    ] = False,
    chunk_frames: Annotated[int, typer.Option(help="Frames in each chunk.", rich_help_panel=STREAM)] = 0,
    credit_chunks: Annotated[int, typer.Option(help="Chunks under way per hop.", rich_help_panel=STREAM)] = 0,
    route: Annotated[str, typer.Option(help="Stages with commas.", rich_help_panel=STREAM)] = "",
    config: Annotated[
        Path | None, typer.Option(help="YAML with all that a stream can say.", rich_help_panel=STREAM)
    ] = None,
    models: Annotated[
        str, typer.Option(help="Folder of model directories of your own.", rich_help_panel="Services")
    ] = "",
    connect: Connect = "",
    report: Annotated[Path | None, typer.Option(help="Write accounts and times as JSON.")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    verbose: Verbose = False,
) -> None:
    """Run one input through preprocess → generator → editor → encoder.

    Starts the four services on this machine for as long as it takes, unless --connect names running ones.

        reelwire run in.mp4 out.mp4 --model restyle --effect grade:contrast=1.2
    """
    with one_line_errors():
        options = PipelineOptions(
            config, model, strength, list(effect or ()), size, fit, rate, mute, codec, preset, quality,
            bitrate, gop, sound_codec, container, live, chunk_frames, credit_chunks, route,
        )  # fmt: skip
        goal = _goal(target, output)
        result = run_async(
            run_file(
                source,
                goal,
                build_config(options),
                Manner(connect, models, force, quiet or not interactive(), verbose),
            )
        )
        finish(result, report, quiet=quiet)


class Manner:
    """How the command behaves, beside what the stream does."""

    def __init__(self, connect: str, models: str, force: bool, quiet: bool, verbose: bool) -> None:
        self.connect, self.models, self.force = connect, models, force
        self.quiet, self.verbose = quiet, verbose


def _goal(target: str, output: str) -> str:
    if target and output:
        raise BadParameter(f"two outputs: {target} and {output}; give one")
    if not (target or output):
        raise BadParameter('no output; give a file name, or "-" for standard output')
    return target or output


async def run_file(source: str, target: str, config: StreamConfig, manner: Manner) -> FileResult:
    """One run, with progress."""
    with progress(quiet=manner.quiet) as show:
        show(Progress("connecting" if manner.connect else "starting the services"))
        async with services(
            manner.connect,
            stages=tuple(config.route),
            verbose=manner.verbose,
            environment=own_environment(source, manner.models),
        ) as reelwire:
            return await reelwire.process_file(
                source, target, config, on_progress=show, overwrite=manner.force
            )


def finish(result: FileResult, report: Path | None, *, quiet: bool) -> None:
    """Notices, the report, and on a terminal the table."""
    for notice in result.notices:
        err.print(
            f"{Notice.Kind.Name(notice.kind)[5:].lower()} [{notice.stage}]: {notice.text}", markup=False
        )
    data: dict[str, Any] = result.report
    if report is not None:
        part = report.with_name(f".{report.name}.part")
        part.write_text(json.dumps(data, indent=2) + "\n")
        part.replace(report)
    if interactive() and not quiet:
        err.print(report_table(data))
