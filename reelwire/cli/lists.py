"""``reelwire models``, ``reelwire effects`` and ``reelwire formats``: what a stream can name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.table import Table
from rich.text import Text

from reelwire.choices import choose_from
from reelwire.cli.connection import Connect, run_async, services
from reelwire.cli.console import one_line_errors, out
from reelwire.cli.inputs import check_source, own_environment
from reelwire.cli.plain import print_json
from reelwire.cli.preview import check_picture, parse_seconds, preview_effect
from reelwire.errors import UnknownEffect
from reelwire.pipeline import parse_effect
from reelwire.v1.config_pb2 import EffectConfig
from reelwire.v1.pipeline_pb2 import EffectInfo, ListEffectsResponse, ListFormatsResponse, ListModelsResponse

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
effects_app = typer.Typer(invoke_without_command=True)


def models(
    folder: Annotated[str, typer.Option("--models", help="Folder of model directories of your own.")] = "",
    connect: Connect = "",
    as_json: AsJson = False,
) -> None:
    """List the models that the generator can run, and why some cannot be used.

    reelwire models --models my-models
    """

    async def ask() -> ListModelsResponse:
        environment = own_environment(models=folder)
        async with services(connect, stages=("generator",), environment=environment) as reelwire:
            return await reelwire.models()

    with one_line_errors():
        answer = run_async(ask())
        if as_json:
            print_json(answer)
            return
        table = Table("model", "version", "task", "scale", "licence", "description")
        for model in answer.models:
            text = Text(model.problem, "red") if model.problem else Text(model.description)
            table.add_row(model.name, model.version, model.task, f"x{model.scale}", model.license, text)
        out.print(table)


async def _effects(connect: str) -> ListEffectsResponse:
    async with services(connect, stages=("editor",)) as reelwire:
        return await reelwire.effects()


@effects_app.callback()
def effects(context: typer.Context, connect: Connect = "", as_json: AsJson = False) -> None:
    """List the editor's effects with their parameters; describe one, or preview it on a picture.

    reelwire effects

    reelwire effects describe grade

    reelwire effects show grade:contrast=1.4 in.mp4 picture.png --at 3s
    """
    if context.invoked_subcommand is not None:
        return
    with one_line_errors():
        answer = run_async(_effects(connect))
        if as_json:
            print_json(answer)
            return
        table = Table("effect", "what it does", "parameters")
        for effect in answer.effects:
            table.add_row(effect.name, effect.help, ", ".join(param.name for param in effect.params))
        out.print(table)


@effects_app.command("describe")
def describe(
    name: Annotated[str, typer.Argument(help="Name of an effect; see `reelwire effects`.")],
    connect: Connect = "",
) -> None:
    """Say all about one effect: parameters, ranges, defaults.

    reelwire effects describe grade
    """
    with one_line_errors():
        known = {effect.name: effect for effect in run_async(_effects(connect)).effects}
        if name not in known:
            raise UnknownEffect(choose_from("effect", name, known), field="effect")
        out.print(f"{name}: {known[name].help}", markup=False)
        out.print(_params(known[name]))


def _params(effect: EffectInfo) -> Table:
    table = Table("parameter", "type", "default", "range", "what it does")
    for param in effect.params:
        limits = ", ".join(param.choices)
        if param.HasField("minimum") or param.HasField("maximum"):
            low = f"{param.minimum:g}" if param.HasField("minimum") else ""
            high = f"{param.maximum:g}" if param.HasField("maximum") else ""
            limits = f"{low} to {high}"
        given = param.HasField("default_value")
        default = json.dumps(json_format.MessageToDict(param.default_value)) if given else "must be given"
        table.add_row(param.name, param.type, default, limits, param.help)
    return table


@effects_app.command("show")
def show(
    effect: Annotated[str, typer.Argument(help="NAME or NAME:PARAM=VALUE,…")],
    clip: Annotated[str, typer.Argument(help="File or testsrc:")],
    target: Annotated[Path, typer.Argument(help="Picture to write: .png or .jpg")],
    at: Annotated[str, typer.Option(help="Time in the clip: 3s, 1.5")] = "0s",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the picture.")] = False,
    connect: Connect = "",
) -> None:
    """Preview an effect on one picture of a clip.

    reelwire effects show grade:contrast=1.4,saturation=0 in.mp4 picture.png --at 3s
    """

    async def ask(chosen: EffectConfig, seconds: float) -> None:
        environment = own_environment(clip)
        async with services(connect, stages=("preprocess", "editor"), environment=environment) as reelwire:
            await preview_effect(reelwire, chosen, clip, seconds, target)

    with one_line_errors():
        check_picture(target, overwrite=force)
        check_source(clip, connect)
        run_async(ask(parse_effect(effect), parse_seconds(at)))


def formats(connect: Connect = "", as_json: AsJson = False) -> None:
    """List codecs and containers, and why some codecs cannot be used here.

    reelwire formats --json
    """

    async def ask() -> ListFormatsResponse:
        async with services(connect, stages=("encoder",)) as reelwire:
            return await reelwire.formats()

    with one_line_errors():
        answer = run_async(ask())
        if as_json:
            print_json(answer)
            return
        table = Table("codec", "encoder", "type", "usable", "frames held", "why not")
        for codec in answer.codecs:
            usable = ("default" if codec.is_default else "yes") if codec.usable else "no"
            table.add_row(
                codec.codec, codec.encoder, codec.type, usable, str(codec.lag_frames), codec.problem
            )
        out.print(table)
        table = Table("container", "endings", "as a stream", "codecs")
        for container in answer.containers:
            streamable = "yes" if container.streamable else "no"
            table.add_row(
                container.container, " ".join(container.extensions), streamable, " ".join(container.codecs)
            )
        out.print(table)
