"""The four services against one plain Python process, on the same work.

    python -m bench.pipeline [--json] [--rounds 5] [--seconds 2]

decode → scale → model → contrast → H.264, from the shipped clip into an MP4 file, without sound. The services
are up before the first round and the plain process loads its model before its clock starts. Rounds alternate;
the order inside a round does too. Prints frames per second of each, and ours over the plain one's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import av

from bench.plain import Work
from bench.report import Report, Row, say
from reelwire.cli.group import running_services
from reelwire.client import Reelwire, connect
from reelwire.errors import ReelwireError
from reelwire.hop.checks import STAGES
from reelwire.models.library import SHIPPED
from reelwire.v1.config_pb2 import EffectConfig, StreamConfig

CLIP = Path(__file__).resolve().parent.parent / "assets" / "bigbuckbunny.mp4"
Run = Callable[[Path, Path], Awaitable[float]]


def stream_config(work: Work) -> StreamConfig:
    """The same work, as a stream says it."""
    config = StreamConfig(route=STAGES)
    config.preprocess.width, config.preprocess.height = work.width, work.height
    config.preprocess.duration_s, config.preprocess.mute = work.seconds, True
    config.generator.model = Path(work.model).name
    grade = EffectConfig(name="grade")
    grade.params.update({"contrast": work.contrast})
    config.editor.effects.append(grade)
    config.encoder.video.preset, config.encoder.video.quality = work.preset, work.quality
    return config


def services_side(reelwire: Reelwire, work: Work) -> Run:
    """Runs a clip through the four services; gives frames per second."""

    async def run_services(clip: Path, out: Path) -> float:
        result = await reelwire.process_file(clip, out, stream_config(work), overwrite=True)
        return count_frames(out) / result.wall_s

    return run_services


def plain_side(work: Work) -> Run:
    """Runs a clip through the plain process; gives frames per second."""

    async def run_plain(clip: Path, out: Path) -> float:
        command = [sys.executable, "-m", "bench.plain", str(clip), str(out), json.dumps(asdict(work))]
        done = await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.PIPE)
        took = json.loads(done.stdout)
        if took["frames"] != count_frames(out):
            raise SystemExit(f"the plain process wrote {count_frames(out)} of {took['frames']} frames")
        return float(took["frames"] / took["seconds"])

    return run_plain


def count_frames(path: Path) -> int:
    """Frames that decode."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


async def measure(work: Work, clip: Path, rounds: int) -> Report:
    """One unmeasured round to warm up, then ``rounds`` of both sides. SystemExit: unequal work was done."""
    plain, services = Row("one plain process, fps"), Row("four services, fps")
    environment = {} if work.threads == 0 else {"REELWIRE_ENGINE_THREADS": str(work.threads)}
    with tempfile.TemporaryDirectory() as folder:
        targets = Path(folder, "plain.mp4"), Path(folder, "services.mp4")
        say("starting the services")
        async with running_services(environment=environment) as group, connect(group.addresses) as reelwire:
            sides = [
                (plain, plain_side(work), targets[0]),
                (services, services_side(reelwire, work), targets[1]),
            ]
            for number in range(rounds + 1):
                for row, run, target in sides if number % 2 else reversed(sides):
                    fps = await run(clip, target)
                    say(f"round {number or '0 (not counted)'}: {row.name.replace(',', '')} {fps:.2f}")
                    row.values += [fps] if number else []
                if count_frames(targets[0]) != count_frames(targets[1]):
                    raise SystemExit("the two sides gave different numbers of frames")
    ratio = services.median / plain.median
    settings = {**asdict(work), "model": Path(work.model).name, "clip": clip.name}
    return Report((plain, services), {"four services / one plain process": ratio}, settings)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--rounds", type=int, default=5, help="measured rounds of each side")
    add("--seconds", type=float, default=2.0, help="how much of the clip")
    add("--clip", type=Path, default=CLIP)
    add("--model", default="restyle", help="a model that ships: restyle or upscale")
    add("--size", default="640x360", help="WIDTHxHEIGHT of the work")
    add("--contrast", type=float, default=1.2)
    add("--preset", default="veryfast", help="of x264")
    add("--quality", type=int, default=23, help="of x264 (CRF)")
    add("--threads", type=int, default=0, help="of one inference, on both sides; 0: each side's own default")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds <= 0:
        parser.error("--rounds is at least 1 and --seconds above 0")
    folder = SHIPPED / given.model
    if not (folder / "model.onnx").is_file():
        parser.error(f'model "{given.model}" is not in {SHIPPED}')
    width, height = (int(part) for part in given.size.split("x"))
    work = Work(
        str(folder), width, height, given.seconds, given.contrast, given.preset, given.quality, given.threads
    )
    try:
        report = asyncio.run(measure(work, given.clip, given.rounds))
    except ReelwireError as error:
        raise SystemExit(f"{error.stage or 'reelwire'}: {error.message}") from None
    report.print(as_json=given.json)


if __name__ == "__main__":
    main()
