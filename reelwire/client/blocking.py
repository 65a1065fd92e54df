"""The SDK for scripts without asyncio: the same calls, on an event loop of their own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from reelwire.client.files import FileResult, Progress
from reelwire.client.sdk import Reelwire
from reelwire.errors import Cancelled
from reelwire.media import Frames, VideoFormat
from reelwire.v1 import pipeline_pb2 as rpc
from reelwire.v1.config_pb2 import StreamConfig

Result = TypeVar("Result")


class BlockingReelwire:
    """As ``Reelwire``, method for method; from any thread. What still runs when the block is left raises
    Cancelled."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = dict(addresses)
        self._sdk: Reelwire | None = None
        self._asking = threading.Lock()
        self._left = False

    def __enter__(self) -> BlockingReelwire:
        self._loop, self._left = asyncio.new_event_loop(), False
        self._thread = threading.Thread(target=self._loop.run_forever, name="reelwire", daemon=True)
        self._thread.start()
        try:
            self._sdk = self._wait(self._open())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            self._wait(_close(sdk), last=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> Reelwire:
        return Reelwire(self._addresses)

    @property
    def _open_sdk(self) -> Reelwire:
        if self._sdk is None:
            raise RuntimeError("use it as a context manager: with connect_blocking(…) as reelwire")
        return self._sdk

    def _wait(self, work: Coroutine[Any, Any, Result], *, last: bool = False) -> Result:
        """Runs it on the event loop. Cancelled: the block is being left; after ``last`` nothing is begun, and
        all that was begun before it is there to be cancelled."""
        ended: Future[Result] = Future()
        running: list[asyncio.Task[Result]] = []

        def start() -> None:
            running.append(self._loop.create_task(work))
            running[0].add_done_callback(lambda task: _tell(task, ended))

        with self._asking:
            if self._left:
                work.close()
                raise Cancelled("the connection was closed")
            self._left = last
            self._loop.call_soon_threadsafe(start)
        try:
            return ended.result()
        except BaseException:  # Ctrl-C: what comes next must not meet this while it still runs
            if not ended.done():
                self._loop.call_soon_threadsafe(lambda: running[0].cancel())
                wait([ended])
            raise

    def process_file(
        self,
        source: str | Path,
        target: str | Path,
        config: StreamConfig,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        overwrite: bool = False,
    ) -> FileResult:
        """As ``Reelwire.process_file``; ``on_progress`` is called on another thread."""
        sdk = self._open_sdk
        return self._wait(
            sdk.process_file(source, target, config, on_progress=on_progress, overwrite=overwrite)
        )

    def process_frames(
        self, frames: Iterable[Frames], video: VideoFormat, config: StreamConfig
    ) -> Iterator[Frames]:
        """As ``Reelwire.process_frames``; ``frames`` is read on a thread."""
        results = self._open_sdk.process_frames(_on_threads(iter(frames)), video, config)

        async def step() -> Frames | None:
            return await anext(results, None)

        try:
            while (each := self._wait(step())) is not None:
                yield each
        finally:
            with suppress(Cancelled):  # leaving the block has closed it
                self._wait(results.aclose())

    def probe(self, source: str | Path) -> rpc.ProbeResponse:
        """As ``Reelwire.probe``."""
        return self._wait(self._open_sdk.probe(source))

    def models(self) -> rpc.ListModelsResponse:
        """As ``Reelwire.models``."""
        return self._wait(self._open_sdk.models())

    def effects(self) -> rpc.ListEffectsResponse:
        """As ``Reelwire.effects``."""
        return self._wait(self._open_sdk.effects())

    def formats(self) -> rpc.ListFormatsResponse:
        """As ``Reelwire.formats``."""
        return self._wait(self._open_sdk.formats())


def _tell(task: asyncio.Task[Result], ended: Future[Result]) -> None:
    if task.cancelled():
        ended.set_exception(Cancelled("the connection was closed, or Ctrl-C pressed, while this ran"))
    elif (error := task.exception()) is not None:
        ended.set_exception(error)
    else:
        ended.set_result(task.result())


async def _close(sdk: Reelwire) -> None:
    """Other threads hear of it before their event loop stops."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await sdk.__aexit__()


async def _on_threads(frames: Iterator[Frames]) -> AsyncIterator[Frames]:
    while (each := await asyncio.to_thread(next, frames, None)) is not None:
        yield each


def connect_blocking(addresses: Mapping[str, str]) -> BlockingReelwire:
    """``with connect_blocking({"preprocess": "127.0.0.1:5001"}) as reelwire``."""
    return BlockingReelwire(addresses)
