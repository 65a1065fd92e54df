"""Probe: describes an input without running a stream, under the same limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor

from reelwire.errors import DeadlineExceeded, InvalidArgument
from reelwire.settings import Settings
from reelwire.v1.config_pb2 import Input
from reelwire.v1.pipeline_pb2 import ProbeRequest, ProbeResponse
from services.preprocess.containers import open_bytes
from services.preprocess.describe import describe, describe_text
from services.preprocess.inputs import open_named
from services.preprocess.opened import OpenInput
from services.preprocess.prompt import normalise_prompt
from services.preprocess.spool import Spool, check_announced


class Prober:
    """Answers calls; opening and decoding run on the executor, never on the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, requests: AsyncIterator[ProbeRequest], executor: Executor) -> ProbeResponse:
        """InvalidArgument: the first message is no input. Else what a stream would raise at its start."""
        given = await self._next(requests)
        if given is None or given.WhichOneof("message") != "input":
            raise InvalidArgument("the first message is no input; send an Input first", field="input")
        loop = asyncio.get_running_loop()
        source = given.input.WhichOneof("source")
        if source == "upload":
            return await self._upload(given.input, requests, executor)
        if source == "url":
            url = given.input.url
            return await loop.run_in_executor(
                executor, self._describe, lambda: open_named(url, self._settings, live=False)
            )
        if source == "text":
            return describe_text(normalise_prompt(given.input.text))
        raise InvalidArgument("the input is empty; expected upload, url or text", field="input")

    async def _upload(
        self, given: Input, requests: AsyncIterator[ProbeRequest], executor: Executor
    ) -> ProbeResponse:
        loop = asyncio.get_running_loop()
        check_announced(given.upload.size_bytes, self._settings)
        spool = Spool(self._settings)
        try:
            while (request := await self._next(requests)) is not None:
                if request.WhichOneof("message") != "data":
                    raise InvalidArgument("a second input; expected the upload's bytes", field="input")
                await loop.run_in_executor(executor, spool.append, request.data)
            return await loop.run_in_executor(
                executor,
                self._describe,
                lambda: open_bytes(spool.reader(), given.upload.name, self._settings),
            )
        finally:
            spool.close()

    async def _next(self, requests: AsyncIterator[ProbeRequest]) -> ProbeRequest | None:
        """None: the caller has sent everything. DeadlineExceeded: it neither sends nor ends."""
        wait_s = self._settings.stall_timeout_s
        try:
            return await asyncio.wait_for(anext(requests, None), wait_s)
        except TimeoutError:
            raise DeadlineExceeded(
                f"nothing came for {wait_s:g} s (REELWIRE_STALL_TIMEOUT_S); send the input, then close"
            ) from None

    def _describe(self, open_input: Callable[[], OpenInput]) -> ProbeResponse:
        opened = open_input()
        try:
            return describe(opened, self._settings)
        finally:
            opened.close()
