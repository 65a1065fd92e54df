"""What one hop costs, beside other ways to carry the same frames from one process to another.

    python -m bench.hop [--json] [--rounds 5] [--seconds 1] [--frame 1280x720] [--layout RGB24] [--only NAME]

One producer, one consumer that reads every byte, each a process of its own, fresh for each run; as fast as it
goes and at 30 frames per second. ``ours`` is the SDK and a service, with pixels in each place. Only ``echo``
rows give frames back: their times are round trips, all others from sending to the last byte read. The other
ways come with ``pip install ".[bench]"``; one that is missing is not measured. Exit status 1 beyond a gate,
or where ours could not be measured.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Sequence

from bench.load import Work
from bench.pair import Contender, run_pair
from bench.processes import PairFailed
from bench.report import say
from bench.table import Gate, Key, Table, missed

FRAMES = ("1280x720", "1920x1080")
LAYOUTS = ("RGB24", "I420")
PACED_FPS = 30.0
PACED_TIMES = 3  # a paced window is longer: a 99th percentile of 30 frames is the slowest
PEERS = ("imagezmq_reply", "stock_grpc", "pyzmq_tcp", "netgear", "unix_socket", "memcpy")
GATED = ("1280x720", "RGB24")
P99_LIMIT_MS = 2.0
SATURATED, PACED = "saturated", "30 fps"


def pinned(place: str) -> dict[str, str]:
    """Settings under which pixels lie in this place on every hop."""
    return {"REELWIRE_PIXELS": place}


def contenders() -> list[Contender]:
    """All of them, ours first."""
    ours = [("ours", "shared_memory"), ("ours", "inline"), ("ours_fused", "in_process")]
    return [
        *(Contender(peer, place, pinned(place)) for peer, place in ours),
        *(Contender(peer) for peer in PEERS),
    ]


OURS = {contender.place: contender.name for contender in contenders() if contender.place}
PEER = {contender.peer: contender.name for contender in contenders() if not contender.place}


def mode_of(work: Work) -> str:
    """Its column in the table."""
    return ("echo " if work.echo else "") + (PACED if work.fps else SATURATED)


def key_of(contender: Contender, work: Work) -> Key:
    """Its row."""
    return Key(f"{work.width}x{work.height}", work.layout, mode_of(work), contender.name)


def works(frames: Sequence[str], layouts: Sequence[str], seconds: float) -> list[Work]:
    """Each size, layout, pace and direction."""
    made = []
    for frame, layout, echo, fps in itertools.product(frames, layouts, (False, True), (0.0, PACED_FPS)):
        width, height = (int(part) for part in frame.split("x"))
        made.append(Work(width, height, layout, fps, seconds * (PACED_TIMES if fps else 1), echo))
    return made


def measure(table: Table, chosen: Sequence[Contender], todo: Sequence[Work], rounds: int) -> None:
    """Rounds alternate; so does the order inside each."""
    there = []
    for contender in chosen:
        if why := contender.missing:
            table.not_measured[contender.name] = why
        else:
            there.append(contender)
    for number in range(rounds):
        for work in todo:
            for contender in there if number % 2 else reversed(there):
                if contender.can(work):
                    _measure_one(table, contender, work, number + 1)


def _measure_one(table: Table, contender: Contender, work: Work, number: int) -> None:
    key = key_of(contender, work)
    try:
        sample = run_pair(contender, work)
    except PairFailed as error:
        table.not_measured[contender.name] = f"{key.frame} {key.layout} {key.mode}: {error}"
        say(f"round {number}: {contender.name}: {table.not_measured[contender.name]}")
        return
    table.add(key, sample)
    say(
        f"round {number}: {key.frame} {key.layout} {key.mode} {key.name}: {sample.fps:.0f} fps, "
        f"{sample.cpu_ms:.2f} ms of CPU, p50 {sample.p50_ms:.2f} ms, p99 {sample.p99_ms:.2f} ms"
    )


def add_ratios(table: Table, todo: Iterable[Work]) -> None:
    """Ours over each peer's CPU where both go as fast as they can; ours over the limit where paced."""
    for work in todo:
        frame, mode = f"{work.width}x{work.height}", mode_of(work)
        for place, ours in OURS.items():
            mine = Key(frame, work.layout, mode, ours)
            for name in () if work.fps else PEER.values():
                theirs = Key(frame, work.layout, mode, name)
                table.divide(_cpu_ratio(frame, work.layout, mode, place, name), "cpu_ms", mine, theirs)
            p99_ms = table.median(mine, "p99_ms")
            if p99_ms is not None and mode == PACED:
                table.ratios[_p99_ratio(frame, work.layout, place)] = p99_ms / P99_LIMIT_MS


def _cpu_ratio(frame: str, layout: str, mode: str, place: str, peer: str) -> str:
    return f"{frame} {layout} {mode}, CPU per frame: ours, {place} / {peer}"


def _p99_ratio(frame: str, layout: str, place: str) -> str:
    return f"{frame} {layout} {PACED}, one-way p99: ours, {place} / {P99_LIMIT_MS:g} ms"


def _gate(place: str, peer: str, limit: float) -> Gate:
    return Gate(_cpu_ratio(*GATED, SATURATED, place, PEER[peer]), limit)


GATES = (
    _gate("shared_memory", "imagezmq_reply", 0.6),
    _gate("shared_memory", "stock_grpc", 0.1),
    Gate(_p99_ratio(*GATED, "shared_memory"), 1.0),
    _gate("inline", "pyzmq_tcp", 2.2),
    _gate("inline", "stock_grpc", 0.4),
)


def failed(table: Table) -> bool:
    """Says why; True where a gate is missed, or where ours could not be measured."""
    unknown = [name for name in OURS.values() if name in table.not_measured]
    for name in unknown:
        say(f"failed: {name} was not measured: {table.not_measured[name]}")
    return missed(table, GATES) or bool(unknown)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.hop", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--rounds", type=int, default=5, help="measured rounds of each")
    add("--seconds", type=float, default=1.0, help="of each window; three times as long where paced")
    add("--frame", action="append", help=f"WIDTHxHEIGHT, may be said again; default: {' '.join(FRAMES)}")
    add("--layout", action="append", choices=LAYOUTS, help="may be said again; default: both")
    add("--mode", action="append", choices=("saturated", "30 fps", "echo saturated", "echo 30 fps"))
    add("--only", action="append", help="rows whose name holds this; may be said again; default: all")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds <= 0:
        parser.error("--rounds is at least 1 and --seconds above 0")
    chosen = [each for each in contenders() if any(part in each.name for part in given.only or ("",))]
    todo = works(given.frame or FRAMES, given.layout or LAYOUTS, given.seconds)
    todo = [work for work in todo if not given.mode or mode_of(work) in given.mode]
    if not chosen or not todo:
        parser.error(f"nothing to measure; rows: {'; '.join(each.name for each in contenders())}")
    table = Table({"rounds": given.rounds, "seconds": given.seconds, "paced_seconds_times": PACED_TIMES})
    measure(table, chosen, todo, given.rounds)
    add_ratios(table, todo)
    table.print(as_json=given.json)
    sys.exit(failed(table))


if __name__ == "__main__":
    main()
