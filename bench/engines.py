"""What each engine and precision makes of restyle: frames per second on this CPU, and how like fp32 they are.

    python -m bench.engines [--json] [--rounds 5] [--seconds 2] [--threads 2] [--size 640x360]

ONNX Runtime and OpenVINO through reelwire's own engines, each in every precision that it has here, loaded in
one process and run in turn on the same frames of the shipped clip; the order inside a round alternates.
Inference alone: tensors are made before. Likeness: the worst PSNR of any frame, against ONNX Runtime in fp32.

Exit status 1 where a gate is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.models import CLIP, decode
from bench.report import percentile, say
from bench.table import Gate, Key, Sample, Table, missed
from exporters.sizes import size_of
from reelwire.engines import Engine, open_engine
from reelwire.engines.backend import Array, EngineOptions
from reelwire.engines.registry import CPU_BACKENDS, REFERENCE, backend
from reelwire.engines.select import open_candidate
from reelwire.models.fidelity import least_psnr_db
from reelwire.models.library import SHIPPED
from reelwire.models.loading import ModelFiles, read_files
from reelwire.models.location import locate
from reelwire.models.understand import understand

FRAMES = 8
EXACT = f"{REFERENCE} fp32"
INT8, BF16 = "openvino int8", "openvino bf16"
CONTENDERS = (EXACT, f"{REFERENCE} int8", "openvino fp32", BF16, INT8)
SPEED_GATES = (
    Gate(f"{INT8} / {EXACT}", 3.0, least=True),
    Gate(f"{BF16} / {EXACT}", 1.8, least=True),
)


@dataclass(frozen=True)
class Work:
    """What every engine does."""

    model: str
    width: int
    height: int
    seconds: float
    threads: int


def likeness(name: str) -> str:
    """The ratio's name, in the table and the gates."""
    return f"{name}, PSNR to {EXACT}, dB"


def gates(files: ModelFiles) -> tuple[Gate, ...]:
    """The speeds, and for what is less exact the floor that the model states."""
    floor_db = files.manifest.quality.min_psnr_db
    rest = (f"{REFERENCE} int8", BF16, INT8)
    return (*SPEED_GATES, *(Gate(likeness(name), floor_db, least=True) for name in rest))


def open_all(files: ModelFiles, threads: int) -> dict[str, Engine]:
    """Every way to run it on the CPU, by name."""
    return {
        str(candidate): open_candidate(candidate, EngineOptions(threads=threads))
        for name in CPU_BACKENDS
        if backend(name).probe().ok
        for candidate in backend(name).candidates(files.variants)
    }


def why_not(name: str) -> str:
    """Why a contender is not among those that were opened."""
    told = backend(name.split()[0]).probe()
    if not told.ok:
        return told.problem
    if name == BF16:
        return "this CPU has no BF16"
    return "the model has no file in that precision"


def feeds_of(files: ModelFiles, work: Work, clip: Path) -> list[dict[str, Array]]:
    """Frames of the clip as the model takes them."""
    reference = open_engine(files.location.graph, facts=files.facts)
    spec = understand(reference, files.manifest)
    reference.close()
    frames = decode(clip, (work.width, work.height), FRAMES)
    return [{spec.picture_input.name: spec.to_tensor(frame[None])} for frame in frames]


def timed(engine: Engine, feeds: Sequence[Mapping[str, Array]], seconds: float) -> Sample:
    """Runs frame after frame for so long, at least once."""
    took_ms: list[float] = []
    used, began = time.process_time(), time.perf_counter()
    while not took_ms or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        engine.run(feeds[len(took_ms) % len(feeds)])
        took_ms.append(1000 * (time.perf_counter() - start))
    wall, count = time.perf_counter() - began, len(took_ms)
    used = time.process_time() - used
    return Sample(count / wall, 1000 * used / count, percentile(took_ms, 50), percentile(took_ms, 99))


def measure(work: Work, clip: Path, rounds: int) -> Table:
    """The likeness of each, which also warms them up, then ``rounds`` of all."""
    files = read_files(locate(SHIPPED / work.model))
    feeds = feeds_of(files, work, clip)
    table = Table({"model": work.model, "threads": work.threads, "seconds": work.seconds, "clip": clip.name})
    engines = open_all(files, work.threads)
    table.not_measured.update({name: why_not(name) for name in CONTENDERS if name not in engines})
    try:
        wanted = [engines[EXACT].run(each) for each in feeds]
        for name, engine in engines.items():
            worst = min(
                least_psnr_db(want, engine.run(each)) for want, each in zip(wanted, feeds, strict=True)
            )
            table.ratios[likeness(name)] = worst
        for number in range(rounds):
            for name in engines if number % 2 else reversed(engines):
                sample = timed(engines[name], feeds, work.seconds)
                say(f"round {number + 1} of {rounds}: {name} {sample.fps:.2f} fps")
                table.add(_key(work, name), sample)
    finally:
        for engine in engines.values():
            engine.close()
    for name in engines:
        if name != EXACT:
            table.divide(f"{name} / {EXACT}", "fps", _key(work, name), _key(work, EXACT))
    return table


def _key(work: Work, name: str) -> Key:
    threads = f"{work.threads} thread{'' if work.threads == 1 else 's'}"
    return Key(f"{work.width}x{work.height}", "RGB24", threads, name)


def read_command_line(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """``work`` and how often."""
    parser = argparse.ArgumentParser(prog="python -m bench.engines", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--rounds", type=int, default=5, help="measured rounds of each engine")
    add("--seconds", type=float, default=2.0, help="of one engine in one round")
    add("--threads", type=int, default=2, help="of one inference")
    add("--size", type=size_of, default="640x360", help="WIDTHxHEIGHT of the frames")
    add("--model", default="restyle", help="a model that ships")
    add("--clip", type=Path, default=CLIP)
    given = parser.parse_args(arguments)
    if given.rounds < 1 or given.seconds <= 0 or given.threads < 1:
        parser.error("--rounds and --threads are at least 1 and --seconds above 0")
    if not (SHIPPED / given.model / "model.onnx").is_file():
        parser.error(f'model "{given.model}" is not in {SHIPPED}')
    height, width = given.size
    given.work = Work(given.model, width, height, given.seconds, given.threads)
    return given


def main() -> None:
    """The command line."""
    given = read_command_line()
    table = measure(given.work, given.clip, given.rounds)
    table.print(as_json=given.json)
    sys.exit(missed(table, gates(read_files(locate(SHIPPED / given.work.model)))))


if __name__ == "__main__":
    main()
