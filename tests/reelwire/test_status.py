"""Errors over gRPC: the class that a service raised is the class that the caller catches."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest
from google.rpc import status_pb2

from reelwire.errors import (
    Cancelled,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NoSlot,
    ReelwireError,
    Unavailable,
    UnknownModel,
    all_errors,
)
from reelwire.status import DETAILS_KEY, code_of, details_of, from_rpc_error


def _as_received(error: ReelwireError) -> grpc.aio.AioRpcError:
    trailers = grpc.aio.Metadata((DETAILS_KEY, details_of(error)))
    return grpc.aio.AioRpcError(code_of(error), grpc.aio.Metadata(), trailers, details=error.message)


def _plain(code: grpc.StatusCode, details: str | None = None) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


@pytest.mark.parametrize(
    "kind", [e for e in all_errors() if e is not ReelwireError], ids=lambda e: e.__name__
)
def test_every_error_comes_back_as_the_class_that_was_raised(kind: type[ReelwireError]) -> None:
    sent = kind(
        'model "blurr" not found; did you mean "blur"?', stage="generator", field="model", retry_after_s=1.001
    )
    got = from_rpc_error(_as_received(sent), peer="generator at 127.0.0.1:5000")
    assert type(got) is kind
    assert (got.message, got.stage, got.field, got.retry_after_s) == (
        sent.message,
        "generator",
        "model",
        1.001,
    )


def test_reasons_are_unique_so_that_a_class_is_found_by_its_reason() -> None:
    kinds = [error for error in all_errors() if error is not ReelwireError]
    assert len({error.reason for error in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", list(all_errors()), ids=lambda e: e.__name__)
def test_every_code_is_one_that_grpc_has(kind: type[ReelwireError]) -> None:
    assert code_of(kind("x")).name == kind.code


def test_details_are_a_google_rpc_status_that_any_client_reads() -> None:
    status = status_pb2.Status.FromString(details_of(NoSlot("4 of 4 slots used", retry_after_s=0.5)))
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert status.message == "4 of 4 slots used"
    assert [detail.TypeName() for detail in status.details] == [
        "google.rpc.ErrorInfo",
        "google.rpc.RetryInfo",
    ]


def test_no_retry_delay_means_do_not_try_again() -> None:
    assert from_rpc_error(_as_received(UnknownModel("x")), peer="p").retry_after_s is None


def test_a_peer_that_is_gone_is_named() -> None:
    got = from_rpc_error(
        _plain(grpc.StatusCode.UNAVAILABLE, "Connection refused\nmore"), peer="editor at 10.0.0.1:7"
    )
    assert type(got) is Unavailable
    assert got.message == "editor at 10.0.0.1:7 is not there: Connection refused"


def test_statuses_without_details_become_the_nearest_class() -> None:
    expected = {
        grpc.StatusCode.UNAVAILABLE: Unavailable,
        grpc.StatusCode.CANCELLED: Cancelled,
        grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
        grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
        grpc.StatusCode.INTERNAL: Internal,
        grpc.StatusCode.UNKNOWN: Internal,
    }
    for code, kind in expected.items():
        got = from_rpc_error(_plain(code), peer="encoder")
        assert type(got) is kind
        assert got.message.startswith("encoder")


def test_a_reason_that_this_version_does_not_know_keeps_its_code() -> None:
    newer = type("Newer", (FailedPrecondition,), {"reason": "FROM_THE_FUTURE"})("something new")
    got = from_rpc_error(_as_received(newer), peer="p")
    assert type(got) is FailedPrecondition
    assert got.message == "something new"


def test_details_that_cannot_be_read_leave_the_status_itself() -> None:
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.aio.Metadata(),
        grpc.aio.Metadata((DETAILS_KEY, b"\xff\xff\xff")),
        details="no",
    )
    got = from_rpc_error(error, peer="p")
    assert type(got) is InvalidArgument
    assert got.message == "p: no"
