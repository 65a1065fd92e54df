"""The four services against one plain Python process, on the same work.

    python -m bench.pipeline [--json] [--rounds 5] [--seconds 2] [--threads 1]

decode → scale → model → contrast → H.264, from the shipped clip into an MP4 file, without sound. Ours: four
services, each a process, and all four in one. The peers do it one frame after the other, and with a thread
for each step. The services are up before the first round and the plain process loads its model before its
clock starts. Rounds alternate; the order inside a round does too. CPU is that of all processes, the client's
with them.

Exit status 1 where a gate is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import av

from bench.load import cpu_s
from bench.plain import Work
from bench.report import say
from bench.table import Gate, Key, Sample, Table, missed
from reelwire.cli.group import Group, Topology, running_services
from reelwire.client import Reelwire, connect
from reelwire.errors import ReelwireError
from reelwire.hop.checks import STAGES
from reelwire.models.library import SHIPPED
from reelwire.v1.config_pb2 import EffectConfig, StreamConfig

CLIP = Path(__file__).resolve().parent.parent / "assets" / "bigbuckbunny.mp4"
SEQUENTIAL, THREADED = "plain process", "plain process, threads"
SERVICES, FUSED = "four services", "four services, one process"
SIDES = (SEQUENTIAL, THREADED, SERVICES, FUSED)
GATES = (
    Gate(f"{SERVICES} / {SEQUENTIAL}", 1.05, least=True),
    Gate(f"{SERVICES} / {THREADED}", 0.8, least=True),
    Gate(f"{FUSED} / {THREADED}", 0.95, least=True),
)
Run = Callable[[Path, Path], Awaitable[Sample]]


@dataclass(frozen=True)
class Side:
    """One way to do the work: from a clip into a file."""

    name: str
    run: Run


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


def services_side(name: str, reelwire: Reelwire, pids: Sequence[int], work: Work) -> Side:
    """Through services that are up, which are the processes ``pids``."""
    all_pids = (os.getpid(), *pids)

    async def run_services(clip: Path, out: Path) -> Sample:
        before_s = cpu_s(all_pids)
        result = await reelwire.process_file(clip, out, stream_config(work), overwrite=True)
        return _sample(count_frames(out), result.wall_s, cpu_s(all_pids) - before_s)

    return Side(name, run_services)


def plain_side(name: str, work: Work) -> Side:
    """Through the plain process."""

    async def run_plain(clip: Path, out: Path) -> Sample:
        command = [sys.executable, "-m", "bench.plain", str(clip), str(out), json.dumps(asdict(work))]
        done = await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.PIPE)
        took = json.loads(done.stdout)
        if took["frames"] != count_frames(out):
            raise SystemExit(f"the plain process wrote {count_frames(out)} of {took['frames']} frames")
        return _sample(took["frames"], took["seconds"], took["cpu_s"])

    return Side(name, run_plain)


def _sample(frames: int, wall_s: float, used_cpu_s: float) -> Sample:
    """A file has no latency to speak of."""
    return Sample(frames / wall_s, used_cpu_s / frames * 1e3, None, None)


def count_frames(path: Path) -> int:
    """Frames that decode."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


async def start_sides(stack: AsyncExitStack, work: Work) -> list[Side]:
    """All of them, ready to run."""
    environment = {
        "REELWIRE_ENGINE_THREADS": str(work.threads),
        "REELWIRE_BACKEND": "onnxruntime",  # as the plain process
        "REELWIRE_PRECISION": "fp32",
    }
    say("starting the services")
    group = await stack.enter_async_context(running_services(environment=environment))
    apart = await stack.enter_async_context(connect(group.addresses))
    one = await stack.enter_async_context(running_services(topology=Topology.FUSED, environment=environment))
    fused = await stack.enter_async_context(connect(one.addresses))
    return [
        plain_side(SEQUENTIAL, work),
        plain_side(THREADED, replace(work, threaded=True)),
        services_side(SERVICES, apart, pids_of(group), work),
        services_side(FUSED, fused, pids_of(one), work),
    ]


def pids_of(group: Group) -> list[int]:
    """Its processes."""
    return [service.process.pid for service in group.processes]


async def measure(work: Work, clip: Path, rounds: int) -> Table:
    """One unmeasured round to warm up, then ``rounds`` of all sides. SystemExit: unequal work was done."""
    said = {name: value for name, value in asdict(work).items() if name != "threaded"}
    table = Table({**said, "model": Path(work.model).name, "clip": clip.name, "rounds": rounds})
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        sides = await start_sides(stack, work)
        for number in range(rounds + 1):
            counts = set()
            for side in sides if number % 2 else reversed(sides):
                out = Path(folder, "out.mp4")
                sample = await side.run(clip, out)
                counts.add(count_frames(out))
                say(f"round {number or '0 (not counted)'}: {side.name} {sample.fps:.2f} fps")
                if number:
                    table.add(_key(work, side.name), sample)
            if len(counts) != 1:
                raise SystemExit(f"the sides gave different numbers of frames: {sorted(counts)}")
    _compare(table, work)
    return table


def _key(work: Work, name: str) -> Key:
    return Key(f"{work.width}x{work.height}", "RGB24", "file", name)


def _compare(table: Table, work: Work) -> None:
    for ours, peer in (
        (SERVICES, SEQUENTIAL),
        (SERVICES, THREADED),
        (FUSED, THREADED),
        (FUSED, SEQUENTIAL),
        (THREADED, SEQUENTIAL),
    ):
        table.divide(f"{ours} / {peer}", "fps", _key(work, ours), _key(work, peer))


def read_command_line(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """``work`` and how often."""
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
    add("--threads", type=int, default=1, help="of one inference, on all sides")
    given = parser.parse_args(arguments)
    if given.rounds < 1 or given.seconds <= 0 or given.threads < 1:
        parser.error("--rounds and --threads are at least 1 and --seconds above 0")
    folder = SHIPPED / given.model
    if not (folder / "model.onnx").is_file():
        parser.error(f'model "{given.model}" is not in {SHIPPED}')
    width, height = (int(part) for part in given.size.split("x"))
    given.work = Work(
        str(folder), width, height, given.seconds, given.contrast, given.preset, given.quality, given.threads
    )
    return given


def main() -> None:
    """The command line."""
    given = read_command_line()
    try:
        table = asyncio.run(measure(given.work, given.clip, given.rounds))
    except ReelwireError as error:
        raise SystemExit(f"{error.stage or 'reelwire'}: {error.message}") from None
    table.print(as_json=given.json)
    sys.exit(missed(table, GATES))


if __name__ == "__main__":
    main()
