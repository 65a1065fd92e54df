"""Whether a live stream gets older, larger or unaccounted for, at twice what one of its stages can do.

    python -m bench.overload [--json] [--minutes 5] [--slow generator] [--work-ms 40]

Four services, each a process; the slow one works for a fixed time on each frame, the others are those that
ship. First its capacity is measured, frame after frame without loss; then a LIVE source sends at twice that
rate. For each fifth of the time: age of the frames that come back (from their making to their packet), CPU,
resident memory of each process, drops by stage and reason.

Exit status 1 where the last fifth's age p95 is more than 1.15 of the first's, p99 is above (frames that can
be under way) x (time of the slow stage) + 100 ms, memory of all processes grows by more than 1 MB a minute
after the first fifth, or the accounts do not close to the frame.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from fractions import Fraction

import psutil

from bench.load import cpu_s
from bench.overload.result import Fifth, Result
from bench.overload.services import Running, running
from bench.overload.stream import Driven, Work, frame_offer, under_way_at_most
from bench.report import percentile, say
from reelwire.client import Reelwire, connect
from reelwire.errors import ReelwireError
from reelwire.hop.checks import STAGES
from reelwire.memory import keep_freed_buffers

FIFTHS = 5
CALIBRATE_S = 4.0
SAMPLE_S, SAY_EVERY_S = 1.0, 10.0
EXTRA_S = 180.0  # to start, to measure the capacity, to end
NOMINAL = Fraction(25)


async def capacity_fps(reelwire: Reelwire, work: Work, seconds: float) -> float:
    """Frames per second that come out where the source waits for the stages."""
    video = work.video(NOMINAL)
    async with reelwire.stream(work.config(live=False), (frame_offer(video),)) as stream:
        await stream.ready()
        driven = Driven(stream, video)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(driven.receive())
            tasks.create_task(driven.send_for(seconds, Fraction(0)))
    return driven.back_fps


class Watch:
    """Looks at the processes while the stream runs, and cuts its time into fifths."""

    def __init__(self, result: Result, driven: Driven, pids: Mapping[str, int]) -> None:
        self._result = result
        self._driven = driven
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._pids = tuple(pids.values())

    async def run(self) -> None:
        """Until all fifths are over."""
        seconds = self._result.minutes * 60 / FIFTHS
        start_s = time.monotonic()
        for number in range(FIFTHS):
            before_s = cpu_s(self._pids)
            await self._sample_until(start_s, (number + 1) * seconds, grows=number > 0)
            self._result.fifths.append(
                Fifth(seconds, cpu_s(self._pids) - before_s, self._driven.next_span(), self._resident_mb())
            )

    async def _sample_until(self, start_s: float, end_s: float, *, grows: bool) -> None:
        while (now_s := time.monotonic() - start_s) < end_s:
            if grows:
                self._result.memory.append((now_s, sum(self._resident_mb().values())))
            await asyncio.sleep(min(SAMPLE_S, end_s - now_s))
            if int(now_s / SAY_EVERY_S) != int((time.monotonic() - start_s) / SAY_EVERY_S):
                self._say(now_s)

    def _say(self, now_s: float) -> None:
        ages = self._driven.span.ages_ms
        p95 = f"age p95 {percentile(ages, 95):.0f} ms" if ages else "no frame yet"
        memory_mb = sum(self._resident_mb().values())
        say(f"{now_s:.0f} s: {self._driven.sent} sent, {self._driven.back} back, {p95}, {memory_mb:.1f} MB")

    def _resident_mb(self) -> dict[str, float]:
        return {name: process.memory_info().rss / 1e6 for name, process in self._processes.items()}


async def measure(work: Work, minutes: float, services: Running) -> Result:
    """Capacity first, then the overload."""
    async with connect(services.addresses) as reelwire:
        say(f"measuring what a {work.slow} of {work.work_ms:g} ms can do")
        capacity = await capacity_fps(reelwire, work, min(CALIBRATE_S, minutes * 60))
        rate = Fraction(2 * capacity).limit_denominator(1000)
        say(f"{capacity:.2f} frames per second; a live source of {float(rate):.2f} for {minutes:g} minutes")
        video = work.video(rate)
        async with reelwire.stream(work.config(live=True), (frame_offer(video),)) as stream:
            await stream.ready()
            driven = Driven(stream, video)
            result = Result(work, minutes, capacity, under_way_at_most(stream, work.slow))
            result.transports = {stage: each.transport for stage, each in stream.told.accepted.items()}
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(driven.receive())
                tasks.create_task(driven.send_for(minutes * 60, rate))
                tasks.create_task(Watch(result, driven, services.pids).run())
    result.most_under_way = driven.most_under_way
    result.open_accounts = driven.accounts()
    result.frames = driven.counts()
    return result


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--json", action="store_true", help="print JSON")
    add("--minutes", type=float, default=5.0, help="of overload")
    add("--slow", choices=STAGES, default="generator", help="which stage is slow")
    add("--work-ms", type=float, default=40.0, help="its work on each frame")
    add("--size", default="640x360", help="WIDTHxHEIGHT of the pictures")
    given = parser.parse_args()
    if given.minutes <= 0 or given.work_ms <= 0:
        parser.error("--minutes and --work-ms are above 0")
    width, height = (int(part) for part in given.size.split("x"))
    keep_freed_buffers()
    work = Work(width, height, given.slow, given.work_ms)
    try:
        with running(work, given.minutes * 60 + EXTRA_S) as services:
            result = asyncio.run(measure(work, given.minutes, services))
    except ReelwireError as error:
        raise SystemExit(f"{error.stage or 'reelwire'}: {error.message}") from None
    result.print(as_json=given.json)
    for problem in result.problems:
        say(f"failed: {problem}")
    sys.exit(bool(result.problems))


if __name__ == "__main__":
    main()
