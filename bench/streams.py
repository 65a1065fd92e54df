"""How many streams one service carries at once: 1, 8, 32 and 128 of 320x180, as fast as they go.

    python -m bench.streams [--json] [--rounds 5] [--seconds 4] [--streams 8 --streams 32] [--place inline]

One client process, one service process that gives each frame back, fresh for each run. The clock starts when
all streams are open and each has had frames back, and stops before the first one ends. Fairness is the
slowest stream's frames over the fastest's. Exit status 1 where that is below 0.8 at 32 streams, where 128
streams carry less than 0.7 of what 8 do, or where a run failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from bench.hop import pinned
from bench.many import Crowd
from bench.processes import PairFailed, started
from bench.report import say
from bench.table import Gate, Key, Sample, Table, missed

STREAMS = (1, 8, 32, 128)
PLACES = ("shared_memory", "inline")
WIDTH, HEIGHT = 320, 180
EXTRA_S = 120.0  # for processes to start, streams to open and all to end
MANY, SOME, FAIR = 128, 8, 32


def run_crowd(crowd: Crowd, place: str) -> tuple[Sample, float]:
    """One run: the sample, and its fairness. PairFailed where it gave no honest figure."""
    within_s = crowd.seconds + EXTRA_S
    settings = {
        **pinned(place),
        "REELWIRE_STREAM_SLOTS": str(max(crowd.streams, MANY)),
        "REELWIRE_STOP_WITH_STDIN": "1",
    }
    with started("bench.service", "identity", environment=settings, within_s=within_s) as service:
        arguments = (service.line()["address"], str(service.pid), json.dumps(asdict(crowd)))
        with started("bench.many", *arguments, environment=pinned(place), within_s=within_s) as client:
            found = client.line()
    if found["place"] != place:
        raise PairFailed(f"pixels lay {found['place']}")
    frames = found["frames"]
    total = sum(frames)
    sample = Sample(total / found["seconds"], found["cpu_s"] / total * 1e3, found["p50_ms"], found["p99_ms"])
    return sample, min(frames) / max(frames)


def key_of(crowd: Crowd, place: str) -> Key:
    """Its row."""
    return Key(f"{crowd.width}x{crowd.height}", "RGB24", f"{crowd.streams} at once", f"ours, {place}")


def fairness_of(streams: int, place: str) -> str:
    """The name of a ratio."""
    return f"fairness of {streams} streams, {place}: slowest / fastest"


def scaling_of(place: str) -> str:
    """The name of a ratio."""
    return f"total fps, {place}: {MANY} streams / {SOME}"


def gates(places: Sequence[str]) -> tuple[Gate, ...]:
    """Those of the places that were asked for."""
    fair = [Gate(fairness_of(FAIR, place), 0.8, least=True) for place in places]
    return (*fair, *(Gate(scaling_of(place), 0.7, least=True) for place in places))


def measure(table: Table, crowds: Sequence[Crowd], places: Sequence[str], rounds: int) -> None:
    """Rounds alternate; so does the order inside each. Adds the ratios."""
    fairness: dict[str, list[float]] = {}
    for number in range(rounds):
        for crowd in crowds:
            for place in places if number % 2 else reversed(places):
                key = key_of(crowd, place)
                try:
                    sample, fair = run_crowd(crowd, place)
                except PairFailed as error:
                    table.not_measured[f"{key.name}, {key.mode}"] = str(error)
                    say(f"round {number + 1}: {key.mode}, {place}: {error}")
                    continue
                table.add(key, sample)
                fairness.setdefault(fairness_of(crowd.streams, place), []).append(fair)
                say(
                    f"round {number + 1}: {key.mode}, {place}: {sample.fps:.0f} fps, {sample.cpu_ms:.2f} ms "
                    f"of CPU, p99 {sample.p99_ms:.1f} ms, fairness {fair:.2f}"
                )
    table.ratios.update({name: median(values) for name, values in fairness.items()})
    many, some = (Crowd(count, WIDTH, HEIGHT, 0) for count in (MANY, SOME))
    for place in places:
        table.divide(scaling_of(place), "fps", key_of(many, place), key_of(some, place))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--rounds", type=int, default=5, help="measured rounds of each")
    add("--seconds", type=float, default=4.0, help="of each window")
    add("--streams", action="append", type=int, help="at once; may be said again; default: 1 8 32 128")
    add("--place", action="append", choices=PLACES, help="of pixels; may be said again; default: both")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds <= 0 or min(given.streams or STREAMS) < 1:
        parser.error("--rounds and --streams are at least 1 and --seconds above 0")
    places = given.place or PLACES
    crowds = [Crowd(count, WIDTH, HEIGHT, given.seconds) for count in given.streams or STREAMS]
    table = Table({"rounds": given.rounds, "seconds": given.seconds})
    measure(table, crowds, places, given.rounds)
    table.print(as_json=given.json)
    for name, why in table.not_measured.items():
        say(f"failed: {name} was not measured: {why}")
    sys.exit(missed(table, gates(places)) or bool(table.not_measured))


if __name__ == "__main__":
    main()
