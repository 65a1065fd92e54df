"""The wire's contract: the stubs are what the protos give, and every part of the protos is explained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet, SourceCodeInfo

ROOT = Path(__file__).resolve().parent.parent
PROTOS = sorted((ROOT / "protos" / "reelwire" / "v1").glob("*.proto"))
STUBS = ROOT / "reelwire" / "v1"
BUF = ROOT / ".cache" / "buf" / "node_modules" / ".bin" / "buf"
NODE_KINDS = {
    "message_type": "message",
    "nested_type": "message",
    "enum_type": "enum",
    "value": "value",
    "field": "field",
    "oneof_decl": "oneof",
    "service": "service",
    "method": "rpc",
}


def protoc(*arguments: str) -> None:
    """Runs the compiler that `make protos` runs."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}", *arguments]
    done = subprocess.run([*command, *map(str, PROTOS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_stubs_are_what_the_protos_give(tmp_path: Path) -> None:
    protoc(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"--grpc_python_out={tmp_path}")
    fresh = {path.name: path.read_text("utf-8") for path in (tmp_path / "reelwire" / "v1").iterdir()}
    assert len(fresh) == 3 * len(PROTOS)
    for name, text in fresh.items():
        assert (STUBS / name).read_text("utf-8") == text, f"{name} is out of date: run make protos"
    committed = {path.name for path in STUBS.glob("*_pb2*")}
    assert committed == set(fresh), "a stub has no proto any more"


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    """The protos with their comments."""
    target = tmp_path_factory.mktemp("descriptors") / "all.pb"
    protoc(f"--descriptor_set_out={target}", "--include_source_info")
    return FileDescriptorSet.FromString(target.read_bytes())


def path_name(file: object, location: SourceCodeInfo.Location) -> tuple[str, str]:
    """What a location in a descriptor is: its kind ("field", "" for anything else) and its dotted name."""
    node, kind, names = file, "", []
    path = list(location.path)
    while path:
        field = node.DESCRIPTOR.fields_by_number[path.pop(0)]  # type: ignore[attr-defined]
        node = getattr(node, field.name)
        kind = NODE_KINDS.get(field.name, "")
        if not kind or not path:
            return "", ""
        node = node[path.pop(0)]
        names.append(node.name)
    return kind, ".".join(names)


def test_every_message_field_value_service_and_call_says_what_it_is(descriptors: FileDescriptorSet) -> None:
    seen = 0
    silent = []
    for file in descriptors.file:
        for location in file.source_code_info.location:
            kind, name = path_name(file, location)
            if kind:
                seen += 1
                if not location.leading_comments.strip():
                    silent.append(f"{file.name}: {kind} {name}")
    assert seen > 300
    assert silent == []


def test_integers_are_signed(descriptors: FileDescriptorSet) -> None:
    unsigned = {"TYPE_UINT32", "TYPE_UINT64", "TYPE_FIXED32", "TYPE_FIXED64"}
    found = [
        f"{message.name}.{field.name}"
        for file in descriptors.file
        for message in file.message_type
        for field in message.field
        if field.Type.Name(field.type) in unsigned
    ]
    assert found == []


def test_the_payload_is_the_last_field_of_a_chunk(descriptors: FileDescriptorSet) -> None:
    (chunk,) = (
        message for file in descriptors.file for message in file.message_type if message.name == "Chunk"
    )
    highest = max(chunk.field, key=lambda field: field.number)
    assert (highest.name, chunk.oneof_decl[highest.oneof_index].name) == ("data", "payload")


def test_the_protos_keep_to_bufs_rules() -> None:
    if not BUF.exists():
        pytest.skip("buf is not installed; `make test` installs it from npm where it can")
    done = subprocess.run([BUF, "lint", "protos"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
