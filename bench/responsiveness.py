"""Whether a generator answers while it works: health calls while every core infers.

    python -m bench.responsiveness [--json]

Starts a generator, keeps one stream for each core busy from a process of its own, and then times 100 health
calls, 50 ms apart, on a channel of their own. Exit status 1 where the 99th percentile is above 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from fractions import Fraction
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.report import Report, Row, percentile, say
from reelwire.cli.group import running_services
from reelwire.client import Reelwire, connect
from reelwire.errors import ReelwireError
from reelwire.media import Frames, VideoFormat, read_only
from reelwire.v1.config_pb2 import StreamConfig

CALLS = 100
EVERY_S = 0.05
LIMIT_MS = 50.0
WARM_UP_S = 60.0
CALL_TIMEOUT_S = 10.0
VIDEO = VideoFormat(320, 180, Fraction(1, 25))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def endless_frames(stop: Event) -> Iterator[Frames]:
    """Noise until it is told to stop, one frame at a time."""
    pixels = np.random.default_rng(1).integers(0, 256, (1, *VIDEO.frame_shape), dtype=np.uint8)
    pts = 0
    while not stop.is_set():
        yield Frames(VIDEO, (pts,), read_only(pixels))
        pts += 1


async def keep_busy(reelwire: Reelwire, model: str, stop: Event, inferred: Synchronized[int]) -> None:
    """One stream until ``stop``; counts what comes back."""
    config = StreamConfig(route=["generator"])
    config.generator.model = model
    async with aclosing(reelwire.process_frames(endless_frames(stop), VIDEO, config)) as returned:
        async for frames in returned:
            with inferred.get_lock():
                inferred.value += len(frames)


def load(address: str, model: str, streams: int, stop: Event, inferred: Synchronized[int]) -> None:
    """The process that keeps the generator busy."""

    async def run() -> None:
        async with connect({"generator": address}) as reelwire:
            await asyncio.gather(*(keep_busy(reelwire, model, stop, inferred) for _ in range(streams)))

    asyncio.run(run())


def time_health_calls(address: str) -> list[float]:
    """Milliseconds of each of ``CALLS`` calls, evenly spaced so that they meet every phase of the work."""
    took = []
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_TIMEOUT_S, wait_for_ready=True)
        for _ in range(CALLS):
            start = time.perf_counter()
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_TIMEOUT_S)
            took.append((time.perf_counter() - start) * 1000)
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                raise SystemExit(f"the generator is not serving: {answer.status}")
            time.sleep(EVERY_S)
    return took


def time_under_load(address: str, model: str, streams: int) -> tuple[list[float], float]:
    """Milliseconds of the calls, and frames per second that were inferred meanwhile."""
    context = multiprocessing.get_context("spawn")
    stop, inferred = context.Event(), context.Value("q", 0)
    busy = context.Process(target=load, args=(address, model, streams, stop, inferred))
    busy.start()
    try:
        until = time.monotonic() + WARM_UP_S
        while inferred.value < 2 * streams:
            if not busy.is_alive() or time.monotonic() > until:
                raise SystemExit("the load did not come up; no figure")
            time.sleep(EVERY_S)
        before, start = inferred.value, time.monotonic()
        took = time_health_calls(address)
        fps = (inferred.value - before) / (time.monotonic() - start)
        if not busy.is_alive() or not fps:
            raise SystemExit("nothing was inferred during the calls; no figure")
    finally:
        stop.set()
        busy.join(CALL_TIMEOUT_S)
        if busy.is_alive():
            busy.kill()
    return took, fps


async def measure(model: str, streams: int) -> Report:
    """First idle, then under load."""
    async with running_services(("generator",)) as group:
        address = group.addresses["generator"]
        say(f"{CALLS} health calls, idle")
        idle = await asyncio.to_thread(time_health_calls, address)
        say(f"{CALLS} health calls, {streams} streams of {VIDEO.width}x{VIDEO.height} through {model}")
        loaded, fps = await asyncio.to_thread(time_under_load, address, model, streams)
    rows = Row("health call, idle, ms", idle), Row("health call, loaded, ms", loaded)
    figures = {"inferred meanwhile, fps": fps}
    for row in rows:
        for percent in (50, 99):
            figures[f"{row.name[:-4]}, p{percent}, ms"] = percentile(row.values, percent)
    ratios = {
        "p99 under load / limit": percentile(loaded, 99) / LIMIT_MS,
        "p99 under load / idle": percentile(loaded, 99) / percentile(idle, 99),
    }
    settings = {
        "model": model,
        "streams": streams,
        "size": f"{VIDEO.width}x{VIDEO.height}",
        "limit_ms": LIMIT_MS,
    }
    return Report(rows, ratios, settings, figures)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.responsiveness", description=str(__doc__).split("\n")[0]
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--model", default="restyle", help="what the streams run")
    parser.add_argument("--streams", type=int, default=cores(), help="streams at once; default: one a core")
    given = parser.parse_args()
    try:
        report = asyncio.run(measure(given.model, given.streams))
    except ReelwireError as error:
        raise SystemExit(f"{error.stage or 'reelwire'}: {error.message}") from None
    report.print(as_json=given.json)
    p99_ms = percentile(report.rows[1].values, 99)
    if p99_ms > LIMIT_MS:
        say(f"failed: the 99th percentile is {p99_ms:.1f} ms, the limit is {LIMIT_MS:g} ms")
        sys.exit(1)


if __name__ == "__main__":
    main()
