"""Whether the services keep anything of a stream that has ended: many streams, one after another.

    python -m bench.soak [--streams 300] [--json]

Uploads a short clip with sound through all four services again and again. Prints for each how much its
resident memory grew for each stream from the 50th on, and its open files and threads then and at the end.
Exit status 1 where memory grew by more than 20 kB a stream, or where files or threads were left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.report import machine, say, versions
from reelwire.cli.group import Group, running_services
from reelwire.client import Reelwire, connect
from reelwire.errors import ReelwireError
from reelwire.hop.checks import STAGES
from reelwire.pipeline import parse_effect
from reelwire.testing import write_clip
from reelwire.v1.config_pb2 import StreamConfig

WARM_STREAMS = 50  # caches and the allocator are full by then
AT_ONCE = 8  # as many as a service has slots: its pools of threads, which stay, are full after that
LIMIT_BYTES = 20_000
FRAMES = 8
SETTLE_S, SETTLE_STEPS = 0.1, 50


@dataclass(frozen=True)
class Held:
    """What a process has."""

    resident_bytes: int
    files: int
    threads: int


@dataclass(frozen=True)
class Kept:
    """One service, from the 50th stream to the last."""

    stage: str
    streams: int
    before: Held
    after: Held

    @property
    def growth_bytes(self) -> float:
        """Resident memory for each stream."""
        return (self.after.resident_bytes - self.before.resident_bytes) / self.streams

    @property
    def problem(self) -> str:
        """What is over the limit; empty where nothing is."""
        if self.growth_bytes > LIMIT_BYTES:
            return f"{self.stage} grew by {self.growth_bytes:.0f} bytes a stream, the limit is {LIMIT_BYTES}"
        for name in ("files", "threads"):
            then, now = getattr(self.before, name), getattr(self.after, name)
            if now > then:
                return f"{self.stage} has {now} {name}, {then} after {WARM_STREAMS} streams"
        return ""


def held(group: Group) -> dict[str, Held]:
    """What each service has now."""
    found = {}
    for stage, service in group.services.items():
        process = psutil.Process(service.process.pid)
        with process.oneshot():
            found[stage] = Held(process.memory_info().rss, process.num_fds(), process.num_threads())
    return found


async def settled(group: Group, at_most: Mapping[str, Held]) -> dict[str, Held]:
    """The same, once connections and threads of the last stream have had time to go."""
    for _ in range(SETTLE_STEPS):
        now = held(group)
        if all(now[s].files <= at_most[s].files and now[s].threads <= at_most[s].threads for s in now):
            break
        await asyncio.sleep(SETTLE_S)
    return now


def config() -> StreamConfig:
    """All four services, a model, an effect, sound."""
    stream = StreamConfig(route=STAGES)
    stream.generator.model = "identity"
    stream.editor.effects.append(parse_effect("grade:contrast=1.2"))
    stream.encoder.video.preset = "ultrafast"
    return stream


async def one_stream(reelwire: Reelwire, clip: Path, target: Path) -> None:
    """From a file to a file."""
    result = await reelwire.process_file(clip, target, config(), overwrite=True)
    out = result.summary.stages[-1].out_frames
    if out != FRAMES:
        raise SystemExit(f"{out} of {FRAMES} frames came out")


async def soak(streams: int, on_stream: Callable[[int], None] = lambda number: None) -> list[Kept]:
    """Runs them, the first eight at once; ``streams`` must be more than 50."""
    with tempfile.TemporaryDirectory() as folder:
        clip = write_clip(Path(folder, "clip.mp4"), FRAMES)
        async with running_services() as group, connect(group.addresses) as reelwire:
            first = (Path(folder, f"out{number}.mkv") for number in range(AT_ONCE))
            await asyncio.gather(*(one_stream(reelwire, clip, target) for target in first))
            for number in range(AT_ONCE + 1, streams + 1):
                await one_stream(reelwire, clip, Path(folder, "out.mkv"))
                on_stream(number)
                if number == WARM_STREAMS:
                    before = held(group)
            after = await settled(group, before)
    return [Kept(stage, streams - WARM_STREAMS, before[stage], after[stage]) for stage in after]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=str(__doc__).split("\n")[0])
    parser.add_argument("--streams", type=int, default=300, help="how many; more than 50")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if given.streams <= WARM_STREAMS:
        parser.error(f"--streams {given.streams}: expected more than {WARM_STREAMS}")
    try:
        kept = asyncio.run(soak(given.streams, _progress))
    except ReelwireError as error:
        raise SystemExit(f"{error.stage or 'reelwire'}: {error.message}") from None
    if given.json:
        rows = [{**asdict(each), "growth_bytes_per_stream": each.growth_bytes} for each in kept]
        print(json.dumps({"machine": machine(), "versions": versions(), "services": rows}, indent=2))
    else:
        _print(kept)
    problems = [each.problem for each in kept if each.problem]
    for problem in problems:
        say(f"failed: {problem}")
    sys.exit(bool(problems))


def _progress(number: int) -> None:
    if number % WARM_STREAMS == 0:
        say(f"{number} streams")


def _print(kept: list[Kept]) -> None:
    for title, values in (("machine", machine()), ("versions", versions())):
        print(f"{title}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    for each in kept:
        print(
            f"{each.stage:<10}  {each.growth_bytes / 1000:8.2f} kB a stream "
            f"({each.before.resident_bytes / 1e6:.1f} to {each.after.resident_bytes / 1e6:.1f} MB)   "
            f"files {each.before.files} to {each.after.files}   "
            f"threads {each.before.threads} to {each.after.threads}"
        )


if __name__ == "__main__":
    main()
