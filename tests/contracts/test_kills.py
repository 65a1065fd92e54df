"""A peer that is killed, at any point of a stream whose pixels lie in shared memory: what the others notice,
and what is left."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.contracts.chain_group import CLIENT, ROLES, STAGES, ChainGroup, chain_group, until

pytestmark = pytest.mark.slow
KILLS_EACH = 50
LONGEST_S = 0.25  # from the call to the kill: opening a stream takes about a third of it
CODES = {"OK", "UNAVAILABLE", "CANCELLED", "INVALID_ARGUMENT"}  # the last: killed before it sent its config
FINITE = 20  # frames: such a stream may have ended before the kill


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.timeout(600)
async def test_whoever_is_killed_and_when_the_others_end_the_stream_serve_on_and_nothing_is_left(
    folder: Path, seed: int
) -> None:
    moments = random.Random(seed)
    async with chain_group(folder) as group:
        await group.good_stream()
        for kill in range(KILLS_EACH):
            victim = moments.choice(ROLES)
            count = moments.choice((-1, -1, -1, FINITE))
            after_s = moments.uniform(0, LONGEST_S)
            print(f"seed {seed}, kill {kill}: {victim} after {after_s:.3f} s, {count} frames")
            await group.check_files()
            group.ask(count)
            await asyncio.sleep(after_s)  # the random moment
            await group.kill(victim)
            await survive(group, victim, count)
            await group.start(victim)
            await group.good_stream()
        await group.check_files()
        await group.stop()
    assert group.rings() == []


async def survive(group: ChainGroup, victim: str, count: int) -> None:
    killed_s = time.monotonic()
    if victim != CLIENT:
        ended = await group.ended()
        assert ended in ("UNAVAILABLE", "CANCELLED") or (count > 0 and ended == "OK shared_memory"), ended
    for role in group.numbers:
        if role != CLIENT:
            await group.idle(role)
            codes = await asyncio.to_thread(group.metric, role, "reelwire_streams_total")
            told = {labels.partition('code="')[2].partition('"')[0] for labels in codes}
            assert told <= CODES, f"{role} ended streams with {told}"
    await until("nothing is left in shared memory", lambda: group.rings() == [])
    print(f"nothing is left after {time.monotonic() - killed_s:.3f} s")


async def test_rings_of_processes_that_were_killed_together_go_with_the_next_start_of_any_service(
    folder: Path,
) -> None:
    async with chain_group(folder) as group:
        for role in STAGES:
            await group.good_stream()
            group.ask(-1)
            await until("rings are there", lambda: group.rings() != [])
            await group.kill(*ROLES)
            await group.start(role)
            await until("nothing is left in shared memory", lambda: group.rings() == [])
            for other in ROLES:
                if other != role:
                    await group.start(other)
        await group.good_stream()
        await group.stop()
