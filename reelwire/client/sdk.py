"""``connect`` and what can be done once connected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

import grpc.aio
from google.protobuf.message import Message

from reelwire.choices import choose_from
from reelwire.client.files import FileJob, FileResult, Progress
from reelwire.client.source import find_source
from reelwire.client.stream import Connection, Stream
from reelwire.errors import BadParameter, ReelwireError
from reelwire.hop.channels import Channels, send
from reelwire.hop.checks import STAGES
from reelwire.hop.rings import PixelPolicy, pixel_policy
from reelwire.hop.sweeper import Sweeper
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout, VideoFormat
from reelwire.settings import DEFAULT_MESSAGE_BYTES, read_settings
from reelwire.status import from_rpc_error
from reelwire.v1 import pipeline_pb2 as rpc
from reelwire.v1.config_pb2 import StreamConfig

LIST_TIMEOUT_S = 120.0  # a first ListFormats opens every encoder
PROBE_TIMEOUT_S = 600.0  # with the upload
PROBE_PIECE_BYTES = 64 << 10  # both ends read and write these on their event loops
COPIER_THREADS = 1
Answer = TypeVar("Answer", bound=Message)


class Reelwire:
    """A connection to some or all of the services; many streams may share it.

    ``addresses``: stage → "host:port", several with commas. Only the first stage of a stream's route is
    dialled from here; each service knows the next one itself. ``pixels``: as ``connect``.
    """

    def __init__(self, addresses: Mapping[str, str], pixels: PixelPolicy | None = None) -> None:
        for stage in addresses:
            if stage not in STAGES:
                raise BadParameter(f'stage "{stage}" not found; available: {", ".join(STAGES)}')
        self._copier = ThreadPoolExecutor(COPIER_THREADS, thread_name_prefix="copy")
        policy = pixels or pixel_policy(read_settings())
        self._connection = Connection(
            Channels(DEFAULT_MESSAGE_BYTES),
            self._copier,
            {stage: tuple(part.strip() for part in text.split(",")) for stage, text in addresses.items()},
            policy,
            Sweeper(policy, self._copier),
        )

    async def __aenter__(self) -> Reelwire:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.channels.close()
        self._connection.sweeper.stop()
        self._copier.shutdown(wait=False)

    def stream(self, config: StreamConfig, offers: Sequence[Offer] = ()) -> Stream:
        """A stream to drive by hand: ``async with reelwire.stream(config, offers) as stream``."""
        if not config.route:
            raise BadParameter('route is empty; name the stages: config.route.append("generator")')
        for stage in config.route:
            if stage not in STAGES:
                raise BadParameter(choose_from("stage", stage, STAGES), field="route")
        return Stream(self._connection, config, offers)

    async def process_file(
        self,
        source: str | Path,
        target: str | Path,
        config: StreamConfig,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        overwrite: bool = False,
    ) -> FileResult:
        """A file, URL or ``testsrc:`` through the route of ``config`` into a file; "-" is standard output.

        A file that exists here is uploaded; anything else is opened by preprocess, as its operator allows.
        The target appears under its name only when it is complete. Raises what a stage raised, BadParameter
        for a target that cannot be.
        """
        job = FileJob(self.stream, source, target, config, on_progress)
        return await job.run(overwrite=overwrite)

    async def process_frames(
        self,
        frames: AsyncIterable[Frames] | Iterable[Frames],
        video: VideoFormat,
        config: StreamConfig,
    ) -> AsyncGenerator[Frames]:
        """Raw frames through the route and back, in order: one ``Frames`` for each chunk that comes back.

        Sends while it yields; both sides are held back by whoever is slower (LOSSLESS) or frames are dropped
        here (LIVE). ``config.route`` must not hold the encoder: what comes back must be FRAMES.
        """
        offer = Offer(0, PayloadKind.FRAMES, video, (video.layout,))
        async with self.stream(config, (offer,)) as stream:
            returns = await stream.ready()
            if [back.kind for back in returns if back.track == 0] != [PayloadKind.FRAMES]:
                raise BadParameter("this route gives no frames back; leave the encoder out of it")
            sender = asyncio.create_task(_send_all(stream, frames))
            try:
                async with aclosing(stream.chunks()) as chunks:
                    async for chunk in chunks:
                        if isinstance(chunk.payload, Frames):
                            yield chunk.payload
                await sender
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)

    async def probe(self, source: str | Path) -> rpc.ProbeResponse:
        """Describes a file (uploaded), URL or ``testsrc:``. DeadlineExceeded after ten minutes."""
        address, found = self._address("preprocess"), find_source(source)
        method: grpc.aio.StreamUnaryMultiCallable[bytes, rpc.ProbeResponse] = self._connection.channels.get(
            address
        ).stream_unary("/reelwire.v1.Preprocess/Probe", response_deserializer=rpc.ProbeResponse.FromString)
        call = method(timeout=PROBE_TIMEOUT_S)
        try:
            going = await send(call, rpc.ProbeRequest(input=found.input).SerializeToString())
            async with aclosing(found.pieces(PROBE_PIECE_BYTES)) as pieces:
                async for data in pieces:
                    if not (going and await send(call, rpc.ProbeRequest(data=data).SerializeToString())):
                        break
                else:
                    await call.done_writing()
            return await call
        except grpc.aio.AioRpcError as error:
            raise _from_stage("preprocess", address, error) from None
        finally:
            call.cancel()

    async def models(self) -> rpc.ListModelsResponse:
        """Models that a stream can name."""
        return await self._list("generator", "ListModels", rpc.ListModelsRequest(), rpc.ListModelsResponse)

    async def effects(self) -> rpc.ListEffectsResponse:
        """Effects that a stream can name, with their parameters."""
        return await self._list("editor", "ListEffects", rpc.ListEffectsRequest(), rpc.ListEffectsResponse)

    async def formats(self) -> rpc.ListFormatsResponse:
        """Codecs and containers."""
        return await self._list("encoder", "ListFormats", rpc.ListFormatsRequest(), rpc.ListFormatsResponse)

    async def _list(self, stage: str, call: str, request: Message, answer: type[Answer]) -> Answer:
        address = self._address(stage)
        method: grpc.aio.UnaryUnaryMultiCallable[Message, Answer] = self._connection.channels.get(
            address
        ).unary_unary(
            f"/reelwire.v1.{stage.capitalize()}/{call}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        try:
            return await method(request, timeout=LIST_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise _from_stage(stage, address, error) from None

    def _address(self, stage: str) -> str:
        known = self._connection.addresses.get(stage, ())
        if not known:
            raise BadParameter(
                f"no address of {stage} is known; give connect() one, or --connect {stage}=HOST:PORT",
                field=stage,
            )
        return known[0]


def connect(addresses: Mapping[str, str], pixels: PixelPolicy | None = None) -> Reelwire:
    """``async with connect({"preprocess": "127.0.0.1:5001"}) as reelwire``. Dials when first used.

    ``pixels``: where they may lie on the hop to the first service; by default as REELWIRE_PIXELS,
    REELWIRE_SHM_DIR and REELWIRE_RING_BYTES say, and without these in shared memory where both ends have it.
    """
    return Reelwire(addresses, pixels)


def _from_stage(stage: str, address: str, error: grpc.aio.AioRpcError) -> ReelwireError:
    raised = from_rpc_error(error, peer=f"{stage} at {address}")
    raised.stage = raised.stage or stage
    return raised


async def _send_all(stream: Stream, frames: AsyncIterable[Frames] | Iterable[Frames]) -> None:
    """What goes wrong here ends the stream: the receiving side raises it."""
    layout = stream.inputs[0].video.layout
    try:
        if isinstance(frames, AsyncIterable):
            async for each in frames:
                await stream.send(Chunk(0, _checked(each, layout)))
        else:
            for each in frames:
                await stream.send(Chunk(0, _checked(each, layout)))
        await stream.end()
    except Exception as error:
        stream.abandon(error)


def _checked(frames: object, layout: PixelLayout) -> Frames:
    if not isinstance(frames, Frames):
        raise BadParameter(
            f"got {type(frames).__name__}; expected reelwire.media.Frames: format, pts, pixels",
            field="frames",
        )
    if frames.format.layout is not layout:
        raise BadParameter(
            f"frames are {frames.format.layout.name}; the stream was opened for {layout.name}", field="layout"
        )
    return frames
