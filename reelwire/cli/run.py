"""``reelwire run``: one input through the four services into one output."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from reelwire.cli.connection import Connect, InProcesses, Verbose, run_async, services
from reelwire.cli.console import err, interactive, one_line_errors
from reelwire.cli.group import Topology
from reelwire.cli.inputs import check_source, own_environment
from reelwire.cli.options import FITS, PipelineOptions, build_config, of
from reelwire.cli.show import progress, report_tables, show_notices
from reelwire.client.files import FileResult, Progress
from reelwire.client.target import STDOUT, prepare_target
from reelwire.complete import check_target, write_complete
from reelwire.engines.select import BACKENDS, PRECISIONS
from reelwire.errors import BadParameter
from reelwire.mux import CONTAINERS
from reelwire.v1.config_pb2 import StreamConfig

CODECS, SOUND_CODECS = ("h264", "hevc", "vp9", "av1"), ("aac", "opus")
STREAMED = tuple(name for name, kind in CONTAINERS.items() if kind.stream_options is not None)
PICTURE, PREPARE, ENCODE, STREAM = "Picture", "Before", "Encoding", "Stream"


def run(  # noqa: PLR0913 - one parameter for each option that --help shows
    source: Annotated[
        str,
        typer.Argument(
            help='File, "-" for standard input, URL, camera (/dev/video0), '
            "testsrc:size=WxH:rate=R:duration=S (0 with --live: endless), or text:PROMPT",
        ),
    ],
    target: Annotated[
        str, typer.Argument(help='Output: .mp4 .mov .mkv .webm .ts; "-" is standard output')
    ] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="The same as TARGET.")] = "",
    model: Annotated[
        str | None,
        typer.Option(help="Model; see `reelwire models`.", rich_help_panel=PICTURE),
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="Share of the model's result, 0 to 1.", rich_help_panel=PICTURE)
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help="Inference backend; see `reelwire doctor`. By default the best that works.",
            rich_help_panel=PICTURE,
            autocompletion=of(BACKENDS),
        ),
    ] = "",
    precision: Annotated[
        str,
        typer.Option(
            help="fp32, bf16, fp16 or int8. By default the fastest within the model's quality floor.",
            rich_help_panel=PICTURE,
            autocompletion=of(PRECISIONS),
        ),
    ] = "",
    effect: Annotated[
        list[str] | None,
        typer.Option(
            help="Effect as NAME or NAME:PARAM=VALUE,PARAM=VALUE; in order; see `reelwire effects`.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT, 640x or x360.", rich_help_panel=PREPARE)] = "",
    fit: Annotated[
        str, typer.Option(help="scale, pad or crop.", rich_help_panel=PREPARE, autocompletion=of(FITS))
    ] = "",
    rate: Annotated[str, typer.Option(help="Constant rate: 30, 30000/1001.", rich_help_panel=PREPARE)] = "",
    mute: Annotated[bool, typer.Option("--mute", help="No sound.", rich_help_panel=PREPARE)] = False,
    codec: Annotated[
        str, typer.Option(help="h264, hevc, vp9, av1 …", rich_help_panel=ENCODE, autocompletion=of(CODECS))
    ] = "",
    preset: Annotated[str, typer.Option(help="The encoder's own preset.", rich_help_panel=ENCODE)] = "",
    quality: Annotated[int | None, typer.Option(help="Quality (CRF).", rich_help_panel=ENCODE)] = None,
    bitrate: Annotated[str, typer.Option(help="Bits per second: 2M, 500k.", rich_help_panel=ENCODE)] = "",
    gop: Annotated[int | None, typer.Option(help="Frames between keyframes.", rich_help_panel=ENCODE)] = None,
    sound_codec: Annotated[
        str, typer.Option(help="aac or opus.", rich_help_panel=ENCODE, autocompletion=of(SOUND_CODECS))
    ] = "",
    container: Annotated[
        str,
        typer.Option(
            help="Let the encoder write it: mp4 (fragmented), mpegts, matroska, webm. For a pipe: matroska.",
            rich_help_panel=ENCODE,
            autocompletion=of(STREAMED),
        ),
    ] = "",
    live: Annotated[
        bool, typer.Option("--live", help="Low delay; drop frames, never get older.", rich_help_panel=STREAM)
    ] = False,
    chunk_frames: Annotated[
        int | None, typer.Option(help="Frames in each chunk, 1 to 64.", rich_help_panel=STREAM)
    ] = None,
    credit_chunks: Annotated[
        int | None, typer.Option(help="Chunks under way per hop, 1 to 64.", rich_help_panel=STREAM)
    ] = None,
    route: Annotated[
        str, typer.Option(help="Stages with commas: preprocess,encoder.", rich_help_panel=STREAM)
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(help="YAML with all that a stream can say; options win.", rich_help_panel=STREAM),
    ] = None,
    models: Annotated[
        str, typer.Option(help="Folder of model directories of your own.", rich_help_panel="Services")
    ] = "",
    connect: Connect = "",
    topology: InProcesses = Topology.PROCESSES,
    report: Annotated[Path | None, typer.Option(help="Write accounts and times as JSON.")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    verbose: Verbose = False,
) -> None:
    """Run one input through preprocess → generator → editor → encoder.

    Starts the four services on this machine for as long as it takes, unless --connect names running ones.

    reelwire run in.mp4 out.mp4 --model restyle --effect grade:contrast=1.2

    reelwire run testsrc:size=640x360:rate=25:duration=5 out.mkv --report report.json

    reelwire run in.mp4 -o - --container mpegts | ffplay -

    Ctrl-C leaves no file. To keep what came of an endless input, write to a pipe:

    reelwire run testsrc:duration=0 -o - --live > out.mkv
    """
    with one_line_errors():
        options = PipelineOptions(
            config, model, strength, backend, precision,
            list(effect or ()), size, fit, rate, mute, codec, preset, quality,
            bitrate, gop, sound_codec, container, live, chunk_frames, credit_chunks, route,
        )  # fmt: skip
        goal, wanted = _goal(target, output), build_config(options)
        manner = Manner(connect, topology, models, force, quiet or not interactive(), verbose)
        _check(source, goal, wanted, manner, report)
        result = run_async(run_file(source, goal, wanted, manner))
        finish(result, report, quiet=quiet)


@dataclass(frozen=True)
class Manner:
    """How the command behaves, beside what the stream does."""

    connect: str = ""
    topology: Topology = Topology.PROCESSES
    models: str = ""
    force: bool = False
    quiet: bool = False
    verbose: bool = False


def _goal(target: str, output: str) -> str:
    if target and output:
        raise BadParameter(f"two outputs: {target} and {output}; give one")
    if not (target or output):
        raise BadParameter('no output; give a file name, or "-" for standard output')
    return target or output


def _check(source: str, target: str, config: StreamConfig, manner: Manner, report: Path | None) -> None:
    """All that can be wrong before anything is started."""
    if config.input.WhichOneof("source") != "text":
        check_source(source, manner.connect)
    pipe = target == STDOUT
    prepare_target(None if pipe else Path(target), config, overwrite=manner.force)
    if pipe and sys.stdout.isatty():
        raise BadParameter("standard output is a terminal; pipe it into a program, or name a file")
    if report is not None:
        check_target(report, overwrite=True)


async def run_file(source: str, target: str, config: StreamConfig, manner: Manner) -> FileResult:
    """One run, with progress."""
    environment = own_environment(source, manner.models)
    with progress(quiet=manner.quiet) as show:
        show(Progress("connecting" if manner.connect else "starting the services"))
        async with services(
            manner.connect,
            stages=tuple(config.route),
            topology=manner.topology,
            verbose=manner.verbose,
            environment=environment,
        ) as reelwire:
            return await reelwire.process_file(
                source, target, config, on_progress=show, overwrite=manner.force
            )


def finish(result: FileResult, report: Path | None, *, quiet: bool) -> None:
    """Notices, the report, and on a terminal the table."""
    if not quiet:
        show_notices(result)
    data: dict[str, Any] = result.report
    if report is not None:
        write_complete(report, f"{json.dumps(data, indent=2)}\n".encode())
    if interactive() and not quiet:
        err.print(*report_tables(data), sep="\n")
