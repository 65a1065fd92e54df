"""Four services in a row against plain calls of the same four stages.

    python -m bench.chain [--json] [--rounds 5] [--seconds 2] [--frames 1280x720:RGB24]

Each stage takes a frame and writes every pixel of a new one ("writing"), or hands it on ("untouched"); the
last gives a tiny packet for each, and a frame's way ends when that packet is back. Ours with pixels in each
place, a chain of plain gRPC servers, and as the limit the four stages called by one thread of one process.
All sides are up before the first round; rounds alternate between them. CPU is that of all processes.

Exit status 1 where a gate is missed: what four services cost beside the limit, in shared memory.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product

from bench.chain.side import LIMIT, STOCK
from bench.chain.stages import UNTOUCHED, WRITING
from bench.load import Work
from bench.processes import PairFailed, Started, started
from bench.report import say
from bench.table import Gate, Key, Sample, Table, missed
from reelwire.hop.place import IN_PROCESS, INLINE, SHARED_MEMORY

PACED_FPS = 30.0
WITHIN_S = 7200.0  # then nothing of it is left, whatever happened
OURS = (SHARED_MEMORY, IN_PROCESS, INLINE)
PINNED = (SHARED_MEMORY, INLINE)  # between all; the producer is never in one process with them
SIDES = (LIMIT, *OURS, STOCK)
FRAMES = "1280x720:RGB24,1920x1080:I420"
GATES = (
    Gate("throughput, shared_memory / limit", 0.35, least=True),
    Gate("throughput, shared_memory / stock gRPC", 5, least=True),
    Gate("throughput, shared_memory, untouched / writing", 1.5, least=True),
    Gate("p50 at 30 fps beyond the limit's, shared_memory, ms", 4),
    Gate("p99 at 30 fps beyond the limit's p50, shared_memory, ms", 8),
)


@dataclass(frozen=True)
class Case:
    """One kind of window of one side."""

    side: str
    kind: str
    paced: bool

    @property
    def name(self) -> str:
        """Its row."""
        title = {LIMIT: "plain calls, one thread", STOCK: "stock gRPC"}.get(self.side, f"ours, {self.side}")
        return f"{title}, {self.kind}"


def cases(sides: tuple[str, ...]) -> list[Case]:
    """Everything that is measured in one round."""
    writing = [Case(side, WRITING, paced) for side, paced in product(sides, (False, True))]
    return writing + [Case(side, UNTOUCHED, paced=False) for side in sides if side in OURS]


class Sides:
    """The processes that do it, all up."""

    def __init__(self, stack: ExitStack, names: tuple[str, ...]) -> None:
        """PairFailed: one does not start."""
        self._processes: dict[str, Started] = {}
        say(f"starting {', '.join(names)}")
        for name in names:
            environment = {"REELWIRE_PIXELS": name} if name in PINNED else {}
            command = "bench.chain.side", name, str(WITHIN_S)
            side = started(*command, environment=environment, within_s=WITHIN_S)
            self._processes[name] = stack.enter_context(side)
        for process in self._processes.values():
            process.line()

    def run(self, case: Case, work: Work) -> Sample:
        """One window. PairFailed: it gave none."""
        return Sample(**self._processes[case.side].ask({"work": asdict(work), "kind": case.kind}))


def key(case: Case, frame: str, layout: str) -> Key:
    """The row of a case."""
    return Key(frame, layout, f"paced {PACED_FPS:g} fps" if case.paced else "saturated", case.name)


def measure(given: argparse.Namespace) -> Table:
    """Rounds of all cases, one round of each unmeasured before."""
    table = Table({"rounds": given.rounds, "seconds": given.seconds, "paced_fps": PACED_FPS})
    with ExitStack() as stack:
        sides = Sides(stack, given.sides)
        for number in range(given.rounds + 1):
            order = cases(given.sides)
            for (frame, layout), case in product(given.frames, order if number % 2 else order[::-1]):
                width, height = map(int, frame.split("x"))
                seconds = given.seconds if number else min(given.seconds, 0.5)
                sample = sides.run(
                    case, Work(width, height, layout, PACED_FPS if case.paced else 0.0, seconds)
                )
                row = key(case, frame, layout)
                say(
                    f"round {number or '0 (not counted)'}: {frame} {layout} {row.mode}, {row.name}: "
                    f"{sample.fps:.1f} fps, {sample.cpu_ms:.2f} ms CPU, {sample.p50_ms:.2f} ms"
                )
                if number:
                    table.add(row, sample)
    for frame, layout in given.frames:
        compare(table, frame, layout, first=(frame, layout) == given.frames[0])
    return table


def compare(table: Table, frame: str, layout: str, *, first: bool) -> None:
    """Adds the ratios of one frame's rows; those of the ``first`` have the gates' names."""
    suffix = "" if first else f" ({frame} {layout})"

    def row(side: str, kind: str = WRITING, *, paced: bool = False) -> Key:
        return key(Case(side, kind, paced), frame, layout)

    for side in OURS:
        for under, title in ((LIMIT, "limit"), (STOCK, "stock gRPC")):
            table.divide(f"throughput, {side} / {title}{suffix}", "fps", row(side), row(under))
        name = f"throughput, {side}, untouched / writing{suffix}"
        table.divide(name, "fps", row(side, UNTOUCHED), row(side))
    for side, (column, what) in product((*OURS, STOCK), (("p50_ms", "limit's"), ("p99_ms", "limit's p50"))):
        came, alone = (
            table.median(row(side, paced=True), column),
            table.median(row(LIMIT, paced=True), "p50_ms"),
        )
        if came is not None and alone is not None:
            name = f"{column[:3]} at {PACED_FPS:g} fps beyond the {what}, {side}, ms{suffix}"
            table.ratios[name] = came - alone


def _frames(text: str) -> tuple[tuple[str, str], ...]:
    found = tuple(tuple(part.split(":")) for part in text.split(","))
    if not all(len(each) == 2 and each[0].count("x") == 1 for each in found):
        raise argparse.ArgumentTypeError(f"{text}: expected WIDTHxHEIGHT:LAYOUT")
    return found  # type: ignore[return-value]


def _sides(text: str) -> tuple[str, ...]:
    asked = tuple(text.split(","))
    unknown = set(asked) - set(SIDES)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {', '.join(SIDES)}")
    return asked


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chain", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--rounds", type=int, default=5, help="measured rounds")
    add("--seconds", type=float, default=2.0, help="of one window")
    add("--frames", type=_frames, default=FRAMES, help="what goes through; gates are on the first")
    add("--sides", type=_sides, default=",".join(SIDES), help="what is measured")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds <= 0:
        parser.error("--rounds is at least 1 and --seconds above 0")
    try:
        table = measure(given)
    except PairFailed as error:
        raise SystemExit(str(error)) from None
    table.print(as_json=given.json)
    sys.exit(missed(table, GATES))


if __name__ == "__main__":
    main()
