"""Callers that leave, stall or come in crowds, and stages and next hops that fail: what the others notice."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable

import psutil
import pytest

from reelwire.errors import DeadlineExceeded, ReelwireError, Unavailable
from reelwire.media import Chunk
from reelwire.stage import Opened, Opening, PassThrough
from reelwire.testing import IdentityFactory, addresses_of, loopback
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Credit, ProcessRequest
from tests.e2e.callers import (
    LIVENESS_S,
    active,
    calling,
    chunk,
    config,
    end,
    factories,
    good_stream,
    left_alone,
    settles,
    through,
    unharmed,
)
from tests.reelwire.hop.stages import Failing, Slow, StageOf

CREDIT = ProcessRequest(credit=Credit(track=0, total=1_000_000))


@pytest.mark.parametrize("sent", ["nothing", "config", "frames"])
async def test_a_caller_that_is_gone_leaves_nothing_behind(sent: str) -> None:
    async with unharmed(factories("generator", "encoder")) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.call.wait_for_connection()
            if sent != "nothing":
                await call.send(ProcessRequest(config=config("generator", "encoder")))
            if sent == "frames":
                await call.until("credit")
                await call.send(chunk(0), chunk(1))
        await settles("slots", lambda: active("generator") + active("encoder"), 0)


async def test_a_caller_that_leaves_while_a_stage_opens_leaves_no_stream_at_the_next_hop() -> None:
    opening, go_on = threading.Event(), threading.Event()

    class SlowToOpen(IdentityFactory):
        def open(self, given: Opening) -> Opened:
            if given.config.stream_id == "left":
                opening.set()
                go_on.wait(LIVENESS_S)
            return super().open(given)

    async with unharmed([SlowToOpen("generator"), IdentityFactory("editor")]) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=config("generator", "editor", stream_id="left")))
            await settles("stages that do not open yet", lambda: not opening.is_set(), 0)
        go_on.set()
        await settles("slots of the editor", lambda: active("editor"), 0)
        await settles("slots of the generator", lambda: active("generator"), 0)


async def test_a_caller_that_sends_nothing_loses_its_slot_and_is_told_why() -> None:
    async with unharmed(factories("generator"), {"idle_timeout_s": 0.2}) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=config()), CREDIT)
            await call.until("credit")
            await call.send(chunk(0))
            error = await call.ending()
        assert isinstance(error, DeadlineExceeded)
        assert error.reason == "STALLED"
        assert "the caller sent nothing for 0.2 s (REELWIRE_IDLE_TIMEOUT_S)" in error.message


async def test_a_caller_that_waits_for_a_busy_stage_is_not_idle() -> None:
    class Thinking(PassThrough):
        def feed(self, given: Chunk) -> Iterable[Chunk]:
            threading.Event().wait(0.5)
            return (given,)

    async with loopback([StageOf("editor", Thinking)], {"idle_timeout_s": 0.2}) as servers:
        assert len(await through(addresses_of(servers), StreamConfig(route=["editor"]), count=2)) == 2


@pytest.mark.slow
async def test_a_reader_that_stops_reading_stalls_alone_and_is_let_go() -> None:
    stream, frame_bytes = config(chunk_frames=16), 256 * 256 * 3
    stream.offers[0].video.width = stream.offers[0].video.height = 256
    parts = [chunk(seq, [*range(16 * seq, 16 * seq + 16)], data=bytes(16 * frame_bytes)) for seq in range(8)]
    async with unharmed(factories("generator"), {"stall_timeout_s": 0.5}) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=stream), CREDIT)
            await call.until("credit")
            before = psutil.Process().memory_info().rss
            writing = asyncio.create_task(call.send(*parts))
            await settles("slots", lambda: active("generator"), 0)  # nothing is read meanwhile
            held_bytes = psutil.Process().memory_info().rss - before
            error = await call.ending()
            await writing
        assert isinstance(error, DeadlineExceeded)
        assert error.reason == "STALLED"
        assert re.search(r"took nothing for 0.5 s \(REELWIRE_STALL_TIMEOUT_S\)", error.message)
        # Both ends lie in this process: what credit allows once on each, HTTP/2's windows, and one copy.
        assert held_bytes < 3 * 8 * 16 * frame_bytes + (32 << 20)


async def test_a_caller_that_gives_no_credit_for_what_comes_back_is_let_go() -> None:
    async with unharmed(factories("generator"), {"stall_timeout_s": 0.2}) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=config()))
            await call.until("credit")
            await call.send(*(chunk(seq) for seq in range(6)))
            error = await call.ending()
        assert isinstance(error, DeadlineExceeded)
        assert error.stage == "generator"
    assert call.summary is not None
    accounts = call.summary.stages[0]
    assert accounts.in_frames == accounts.out_frames + accounts.failed_frames


async def test_a_next_hop_that_is_down_at_the_start_is_unavailable_by_name() -> None:
    down = {"encoder_addr": "127.0.0.1:9"}  # the discard port: nobody listens
    async with unharmed(factories("generator"), down) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=config("generator", "encoder")))
            error = await call.ending()
        assert isinstance(error, Unavailable)
        assert error.stage == "encoder"
        assert "encoder at 127.0.0.1:9 is not there" in error.message


async def test_a_next_hop_that_is_stopped_in_the_middle_is_unavailable_by_name() -> None:
    async with loopback([IdentityFactory("editor")], {"drain_s": 0.0}) as later:
        known = {"editor_addr": addresses_of(later)["editor"], "stream_slots": 1}
        async with loopback(factories("generator"), known) as servers, left_alone(servers):
            async with calling(servers["generator"]) as (call,):
                await call.send(ProcessRequest(config=config("generator", "editor")), CREDIT)
                await call.until("credit")
                await call.send(chunk(0))
                await call.until("chunk")
                await later["editor"].stop()
                error = await call.ending()
            assert isinstance(error, Unavailable)
            assert (error.stage, error.reason) == ("editor", "DRAINING")
            assert "editor stopped before the stream had ended" in error.message
            assert call.summary is not None
            assert [stage.stage for stage in call.summary.stages] == ["generator", "editor"]
        later.clear()  # it is stopped already


async def test_two_hundred_streams_on_four_slots_run_four_and_refuse_the_rest_at_once() -> None:
    gate = threading.Semaphore(0)

    class Gated(Slow):
        pass

    Gated.gate = gate
    async with loopback([StageOf("generator", Gated)], {"stream_slots": 4}) as servers:
        server = servers["generator"]
        async with calling(server, 200) as calls:
            for call in calls:
                await call.send(ProcessRequest(config=config()), CREDIT)
            refusals = [asyncio.create_task(call.ending()) for call in calls]
            while sum(task.done() for task in refusals) < 196:
                await asyncio.wait(
                    [task for task in refusals if not task.done()], return_when=asyncio.FIRST_COMPLETED
                )
            running = [call for call, task in zip(calls, refusals, strict=True) if not task.done()]
            assert active("generator") == 4
            for call in running:
                await call.send(*(chunk(seq) for seq in range(8)), end())
            gate.release(32)
            errors = await asyncio.gather(*refusals)
            for call in running:
                assert sum(message.HasField("chunk") for message in call.heard) == 8
        refused = [error for error in errors if error is not None]
        assert len(refused) == 196
        for error in refused:
            assert (error.code, error.reason, error.retry_after_s) == ("RESOURCE_EXHAUSTED", "NO_SLOT", 1.0)
            assert "all 4 stream slots of generator are taken; try again in 1 s" in error.message
        await settles("slots", lambda: active("generator"), 0)
        gate.release(40)
        back = await asyncio.gather(
            *(through(addresses_of(servers), StreamConfig(route=["generator"])) for _ in range(4))
        )
        assert [len(each) for each in back] == [10] * 4


async def test_a_refusal_downstream_frees_the_slots_upstream() -> None:
    async with loopback([IdentityFactory("editor")], {"stream_slots": 1}) as later:
        known = {"editor_addr": addresses_of(later)["editor"], "stream_slots": 1}
        async with loopback(factories("generator"), known) as servers:
            await good_stream(addresses_of(servers), ["generator", "editor"])
            async with left_alone(servers), calling(later["editor"]) as (holder,):
                await holder.send(ProcessRequest(config=config("editor")))
                await holder.until("credit")
                async with calling(servers["generator"]) as (call,):
                    await call.send(ProcessRequest(config=config("generator", "editor")))
                    error = await call.ending()
                assert isinstance(error, ReelwireError)
                assert (error.reason, error.stage) == ("NO_SLOT", "editor")
                await settles("slots", lambda: active("generator"), 0)


class Broken(Failing):
    """Says in its error what no caller may read."""

    def feed(self, given: Chunk) -> Iterable[Chunk]:
        raise RuntimeError("secret: /etc/passwd")


async def test_an_unexpected_error_is_told_by_a_fixed_text_and_its_stack_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with loopback([StageOf("generator", Broken)], {"stream_slots": 1}) as servers:
        async with calling(servers["generator"]) as (call,):
            await call.send(ProcessRequest(config=config(stream_id="s-1")))
            await call.until("credit")
            await call.send(chunk(0))
            error = await call.ending()
        await settles("slots", lambda: active("generator"), 0)
    assert isinstance(error, ReelwireError)
    assert (error.code, error.reason, error.stage) == ("INTERNAL", "INTERNAL", "generator")
    assert error.message == "internal error in generator; stream s-1"
    assert "secret" in caplog.text
    assert "Traceback" in caplog.text
    assert call.summary is not None
    assert call.summary.stages[0].failed_frames == 1
