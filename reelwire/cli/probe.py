"""``reelwire probe``: what an input holds and what preprocess will do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from reelwire.cli.connection import Connect, run_async, services
from reelwire.cli.console import one_line_errors, out
from reelwire.cli.inputs import check_source, own_environment
from reelwire.cli.lists import AsJson
from reelwire.cli.plain import print_json
from reelwire.v1.pipeline_pb2 import ProbedStream, ProbeResponse


def probe(
    source: Annotated[str, typer.Argument(help="File, URL, camera device or testsrc:")],
    connect: Connect = "",
    as_json: AsJson = False,
) -> None:
    """Describe an input: streams, sizes, rates, and what will be done about them.

    reelwire probe in.mp4

    reelwire probe in.mp4 --json | jq .streams
    """

    async def ask() -> ProbeResponse:
        environment = own_environment(source)
        async with services(connect, stages=("preprocess",), environment=environment) as reelwire:
            return await reelwire.probe(source)

    with one_line_errors():
        check_source(source, connect)
        answer = run_async(ask())
        if as_json:
            print_json(answer)
            return
        out.print(f"{answer.container}, {answer.duration_us / 1e6:.3f} s", markup=False)
        for stream in answer.streams:
            out.print(f"  {_line(stream)}", markup=False)
        for remark in answer.remarks:
            out.print(f"  note: {remark}", markup=False)


def _line(stream: ProbedStream) -> str:
    if stream.type == "audio":
        layout = stream.channel_layout or f"{stream.channel_count} channels"
        return f"audio {stream.codec}, {stream.sample_rate} Hz, {layout}"
    if stream.type != "video":
        return f"{stream.type} {stream.codec}"
    rate = stream.average_rate.num / stream.average_rate.den if stream.average_rate.den else 0
    flags = [name for name in ("hdr", "alpha", "interlaced") if getattr(stream, name)]
    if stream.rotation_degrees:
        flags.append(f"rotated {stream.rotation_degrees} degrees")
    count = f", {stream.frame_count} frames" if stream.frame_count else ""
    size = f"{stream.width}x{stream.height} {stream.format}"
    return f"video {stream.codec}, {size}, {rate:.3f} fps{count}{''.join(f', {flag}' for flag in flags)}"
