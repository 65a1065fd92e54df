"""The service on a free port, and a connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest

from reelwire.client.sdk import Reelwire, connect
from reelwire.client.source import find_source
from reelwire.errors import (
    ReelwireError,
)
from reelwire.server import Server
from reelwire.settings import Settings
from reelwire.status import from_rpc_error
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import ProbeRequest, ProbeResponse, Summary
from services.preprocess.__main__ import SERVICE


@dataclass
class Running:
    """A service, a connection to it, and the folder it spools into."""

    server: Server
    reelwire: Reelwire
    spool: Path

    async def run(self, source: str | Path, **preprocess: object) -> tuple[list[object], Summary]:
        """Payloads and accounts of a stream through preprocess alone."""
        config = StreamConfig(route=["preprocess"])
        for name, value in preprocess.items():
            setattr(config.preprocess, name, value)
        found = find_source(source)
        config.input.CopyFrom(found.input)
        async with self.reelwire.stream(config, found.offers) as stream:
            await found.upload(stream)
            await stream.ready()
            payloads: list[object] = [chunk.payload async for chunk in stream.chunks()]
        assert stream.summary is not None
        return payloads, stream.summary

    async def refused_probe(self, requests: list[ProbeRequest]) -> ReelwireError:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.server.port}") as channel:
            method = channel.stream_unary(
                "/reelwire.v1.Preprocess/Probe",
                request_serializer=ProbeRequest.SerializeToString,
                response_deserializer=ProbeResponse.FromString,
            )
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await method(iter(requests))
        return from_rpc_error(raised.value, peer="preprocess")


@asynccontextmanager
async def running(tmp_path: Path, **settings: object) -> AsyncIterator[Running]:
    spool = tmp_path / "spool"
    spool.mkdir()
    server = Server([SERVICE], Settings(spool_dir=spool, drain_s=0.0, **settings))  # type: ignore[arg-type]
    await server.start()
    try:
        async with connect({"preprocess": f"127.0.0.1:{server.port}"}) as reelwire:
            yield Running(server, reelwire, spool)
    finally:
        await server.stop()
