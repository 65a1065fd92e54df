"""A caller and a next service made of generated stubs alone, which know no rings and no batches, beside a
service that takes the best place there is: frames there and back, in messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio

from reelwire.client import connect
from reelwire.hop.rings import PixelPolicy
from reelwire.media import Offer, PayloadKind
from reelwire.testing import IdentityFactory, addresses_of, frames, loopback
from reelwire.v1 import media_pb2 as media
from reelwire.v1 import pipeline_pb2 as rpc
from reelwire.v1 import pipeline_pb2_grpc
from reelwire.v1.config_pb2 import StreamConfig
from tests.contracts.places import VIDEO, carry, left_over, same
from tests.e2e.callers import config

COUNT = 20
EVERYTHING = 1 << 30


class PlainEditor(pipeline_pb2_grpc.EditorServicer):
    """Gives back what it gets, as a beginner would write it. ``heard``: kinds of messages and payloads."""

    def __init__(self) -> None:
        self.heard: set[str] = set()

    async def Process(  # noqa: N802 - gRPC's name
        self, requests: AsyncIterator[rpc.ProcessRequest], context: object
    ) -> AsyncIterator[rpc.ProcessResponse]:
        count = 0
        async for request in requests:
            kind = str(request.WhichOneof("message"))
            self.heard.add(kind)
            if kind == "config":
                offers = request.config.offers
                yield rpc.ProcessResponse(
                    accepted=rpc.Accepted(stage="editor", inputs=offers, returns=offers)
                )
                yield rpc.ProcessResponse(credit=rpc.Credit(track=0, total=EVERYTHING, taken_seq=-1))
            elif kind == "chunk":
                self.heard.add(str(request.chunk.WhichOneof("payload")))
                yield rpc.ProcessResponse(chunk=request.chunk)
                yield rpc.ProcessResponse(ack=rpc.Ack(track=0, through_seq=request.chunk.seq))
                count += len(request.chunk.pts)
            elif kind == "end":
                stage = rpc.StageSummary(stage="editor", in_frames=count, out_frames=count)
                yield rpc.ProcessResponse(summary=rpc.Summary(stages=[stage]))
                return


@asynccontextmanager
async def plain_editor() -> AsyncIterator[tuple[PlainEditor, str]]:
    server, editor = grpc.aio.server(), PlainEditor()
    pipeline_pb2_grpc.add_EditorServicer_to_server(editor, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield editor, f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=0)


async def test_a_next_service_of_plain_stubs_gets_and_gives_every_frame_in_messages(folder: Path) -> None:
    given = list(frames(COUNT, VIDEO, chunk_frames=3))
    async with plain_editor() as (editor, address):
        settings = {"shm_dir": folder, "editor_addr": address}
        async with loopback([IdentityFactory("generator")], settings) as servers:
            async with connect(addresses_of(servers), PixelPolicy("", folder)) as reelwire:
                stream_config = StreamConfig(route=["generator", "editor"], chunk_frames=3)
                offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
                async with reelwire.stream(stream_config, (offer,)) as stream:
                    assert same(await carry(stream, given), given)
                places = {stage: told.transport for stage, told in stream.told.accepted.items()}
                assert places == {"generator": "shared_memory", "editor": "inline"}
                assert stream.summary is not None
                assert [each.out_frames for each in stream.summary.stages] == [COUNT] * 2
    assert editor.heard >= {"config", "chunk", "data", "end", "credit"}
    assert not editor.heard & {"slot", "batch", "release", "attached"}
    assert left_over(folder) == []


async def test_a_next_service_of_plain_stubs_can_be_called_without_one_in_between(folder: Path) -> None:
    given = list(frames(COUNT, VIDEO))
    async with plain_editor() as (editor, address):
        async with connect({"editor": address}, PixelPolicy("", folder)) as reelwire:
            offer = Offer(0, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,))
            async with reelwire.stream(StreamConfig(route=["editor"]), (offer,)) as stream:
                assert same(await carry(stream, given), given)
    assert not editor.heard & {"slot", "batch", "release", "attached"}
    assert left_over(folder) == []


async def test_a_caller_of_plain_stubs_sends_and_gets_every_frame_in_messages(folder: Path) -> None:
    chain = [IdentityFactory("generator"), IdentityFactory("editor")]
    pixels = [each.pixels.tobytes() for each in frames(COUNT, VIDEO)]
    outbox: asyncio.Queue[rpc.ProcessRequest | None] = asyncio.Queue()
    stream = config("generator", "editor")
    stream.offers[0].video.width, stream.offers[0].video.height = VIDEO.width, VIDEO.height
    outbox.put_nowait(rpc.ProcessRequest(config=stream))
    outbox.put_nowait(rpc.ProcessRequest(credit=rpc.Credit(track=0, total=COUNT, taken_seq=-1)))

    async def requests() -> AsyncIterator[rpc.ProcessRequest]:
        while (message := await outbox.get()) is not None:
            yield message

    heard, back, sent = [], [], 0
    async with loopback(chain, {"shm_dir": folder}) as servers:
        async with grpc.aio.insecure_channel(addresses_of(servers)["generator"]) as channel:
            stub = pipeline_pb2_grpc.GeneratorStub(channel)  # type: ignore[no-untyped-call]
            async for answer in stub.Process(requests()):
                heard.append(answer.WhichOneof("message"))
                if heard[-1] == "chunk":
                    back.append(answer.chunk.data)
                while heard[-1] == "credit" and sent < min(answer.credit.total, COUNT):
                    outbox.put_nowait(rpc.ProcessRequest(chunk=plain_chunk(sent, pixels[sent])))
                    sent += 1
                    if sent == COUNT:
                        outbox.put_nowait(rpc.ProcessRequest(end=rpc.End(track=0)))
            outbox.put_nowait(None)
    assert back == pixels
    assert not {"batch", "release"} & set(heard)
    assert left_over(folder) == []


def plain_chunk(seq: int, data: bytes) -> media.Chunk:
    return media.Chunk(seq=seq, kind=media.PAYLOAD_KIND_FRAMES, pts=[seq], data=data)
