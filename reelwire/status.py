"""Errors ↔ gRPC statuses. The only place that knows both.

A status carries ``google.rpc.Status`` details: ErrorInfo (reason, stage, field) and, where trying again
makes sense, RetryInfo.
"""

from __future__ import annotations

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from reelwire.errors import Cancelled, Internal, ReelwireError, Unavailable, all_errors

DOMAIN = "reelwire"
DETAILS_KEY = "grpc-status-details-bin"
MAX_MESSAGE_BYTES = 1200  # sent twice, percent-encoded and in base64; gRPC takes 8 KiB of trailers

_BY_REASON = {error.reason: error for error in all_errors()}
_BY_CODE = {error.code: error for error in all_errors() if error.code == error.reason}


def message_of(error: ReelwireError) -> str:
    """The error's message; its middle left out where it is too long for a trailer, since it may quote."""
    data = error.message.encode("utf-8", "replace")
    if len(data) <= MAX_MESSAGE_BYTES:
        return data.decode()
    head, tail = data[: MAX_MESSAGE_BYTES * 3 // 4], data[-MAX_MESSAGE_BYTES // 4 :]
    return f"{head.decode('utf-8', 'ignore')} […] {tail.decode('utf-8', 'ignore')}"


def code_of(error: ReelwireError) -> grpc.StatusCode:
    """The gRPC code."""
    return grpc.StatusCode[error.code]


def details_of(error: ReelwireError) -> bytes:
    """The value of the status details trailer."""
    code = code_of(error)
    info = error_details_pb2.ErrorInfo(
        reason=error.reason, domain=DOMAIN, metadata={"stage": error.stage, "field": error.field}
    )
    details = [info]
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code.value[0], message=message_of(error))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return bytes(status.SerializeToString())


def from_rpc_error(error: grpc.aio.AioRpcError, *, peer: str) -> ReelwireError:
    """The class that the service raised; Unavailable, naming ``peer``, where the service is not there."""
    trailer = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), None)
    nearest = _BY_CODE.get(error.code().name, Internal)
    if trailer is not None:
        try:
            return _from_details(status_pb2.Status.FromString(trailer), nearest)
        except DecodeError:
            pass  # a proxy's or a foreign server's: the status itself still says what happened
    text = error.details() or ""
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(f"{peer} is not there: {text.splitlines()[0] if text else 'connection lost'}")
    if error.code() is grpc.StatusCode.CANCELLED:
        return Cancelled(f"{peer}: {text or 'cancelled'}")
    return nearest(f"{peer}: {text or error.code().name}")


def _from_details(status: status_pb2.Status, nearest: type[ReelwireError]) -> ReelwireError:
    """``nearest``: the class for a reason that is not known here. DecodeError: not such details."""
    info, retry_after_s = error_details_pb2.ErrorInfo(), None
    for detail in status.details:
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToMilliseconds() / 1000
        detail.Unpack(info)
    kind = _BY_REASON.get(info.reason, nearest)
    return kind(
        status.message,
        stage=info.metadata.get("stage", ""),
        field=info.metadata.get("field", ""),
        retry_after_s=retry_after_s,
    )
