"""Any language can call a service: from the protos alone, and with the standard tools of gRPC."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import grpc.aio
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from reelwire.cli.group import running_services
from reelwire.hop.checks import STAGES
from reelwire.testing import IdentityFactory, addresses_of, loopback

PROTOS = Path(__file__).resolve().parents[2] / "protos"
CLIENT = Path(__file__).with_name("plain_client.py")


def make_stubs(folder: Path) -> Path:
    """What any user of the protos does first."""
    files = [str(path.relative_to(PROTOS)) for path in sorted(PROTOS.rglob("*.proto"))]
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I.",
        f"--python_out={folder}",
        f"--grpc_python_out={folder}",
    ]
    subprocess.run([*command, *files], cwd=PROTOS, check=True)
    return folder


@pytest.mark.slow
async def test_a_client_made_from_the_protos_alone_gets_every_frame_back(tmp_path: Path) -> None:
    stubs = make_stubs(tmp_path)
    async with running_services(("generator",)) as group:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(CLIENT), str(stubs), group.addresses["generator"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await client.communicate()
    assert client.returncode == 0, err.decode()
    told = json.loads(out)
    assert told["same"], "each frame, with its pts, byte for byte"
    assert told["order"][:2] == ["accepted", "credit"]
    assert told["order"][-1] == "summary"
    assert told["accounts"] == [10, 0, 10, 0]
    assert told["files"], "its stubs"
    assert all(Path(name).is_relative_to(stubs) for name in told["files"]), "nothing of ours is imported"


@pytest.mark.parametrize("stage", STAGES)
async def test_health_reflection_and_channelz_answer_on_every_port(stage: str) -> None:
    name = f"reelwire.v1.{stage.capitalize()}"
    async with loopback([IdentityFactory(stage)]) as servers:
        async with grpc.aio.insecure_channel(addresses_of(servers)[stage]) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for service in ("", name):
                answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING

            ask = reflection_pb2.ServerReflectionRequest
            asked = [ask(list_services=""), ask(file_containing_symbol=name)]
            answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(asked))
            listed, described = [answer async for answer in answers]
            assert {
                name, "grpc.health.v1.Health", "grpc.channelz.v1.Channelz",
            } <= {service.name for service in listed.list_services_response.service}  # fmt: skip
            assert described.file_descriptor_response.file_descriptor_proto

            channelz = channelz_pb2_grpc.ChannelzStub(channel)
            found = await channelz.GetServers(channelz_pb2.GetServersRequest())
            assert len(found.server) >= 1
            assert sum(server.data.calls_started for server in found.server) >= 3
