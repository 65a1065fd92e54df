"""One exception tree. Each class names its gRPC status and its reason; nothing here knows gRPC.

    ReelwireError
    ├── InvalidArgument     BadPayload · PtsNotIncreasing · BadParameter
    ├── NotFound            UnknownModel · UnknownEffect · InputNotFound
    ├── FailedPrecondition  ConfigTwice · OutsideShapeProfile · ModelUnusable
    ├── Aborted             SequenceBroken
    ├── ResourceExhausted   NoSlot · TooLarge
    ├── Unavailable         Draining
    ├── DeadlineExceeded    Stalled
    ├── Cancelled
    ├── DataLoss            InputDamaged
    ├── Unimplemented       BackendMissing · CodecMissing
    ├── PermissionDenied    InputNotAllowed
    └── Internal

``interceptors.py`` alone turns them into a status, ``client.py`` alone turns a status back.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ReelwireError(Exception):
    """Any error that a caller may see.

    ``message`` is one line: what, got, expected, fix. ``stage`` is where it happened, ``field`` the name
    of the wrong value, ``retry_after_s`` when to try again (None: do not).
    """

    code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        stage: str = "",
        field: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.stage = stage
        self.field = field
        self.retry_after_s = retry_after_s


class InvalidArgument(ReelwireError):
    """The caller sent something that can never work."""

    code = "INVALID_ARGUMENT"
    reason = "INVALID_ARGUMENT"


class BadPayload(InvalidArgument):
    """Size, type, value or byte length of a payload is not what its format says."""

    reason = "BAD_PAYLOAD"


class BadSlot(InvalidArgument):
    """A reference to shared memory that names no slot, a stale one, or bytes outside it."""

    reason = "BAD_SLOT"


class PtsNotIncreasing(InvalidArgument):
    """A frame's pts is not above the one before."""

    reason = "PTS_NOT_INCREASING"


class BadParameter(InvalidArgument):
    """A parameter is unknown, of the wrong type or out of range."""

    reason = "BAD_PARAMETER"


class NotFound(ReelwireError):
    """Something was named that is not there."""

    code = "NOT_FOUND"
    reason = "NOT_FOUND"


class UnknownModel(NotFound):
    """No model of that name or version."""

    reason = "UNKNOWN_MODEL"


class UnknownEffect(NotFound):
    """No effect of that name."""

    reason = "UNKNOWN_EFFECT"


class InputNotFound(NotFound):
    """No such file, device or address."""

    reason = "INPUT_NOT_FOUND"


class FailedPrecondition(ReelwireError):
    """Right in itself, wrong in this state."""

    code = "FAILED_PRECONDITION"
    reason = "FAILED_PRECONDITION"


class PlaceUnavailable(FailedPrecondition):
    """Pixels cannot lie where REELWIRE_PIXELS says."""

    reason = "PLACE_UNAVAILABLE"


class ConfigTwice(FailedPrecondition):
    """A second config on one stream."""

    reason = "CONFIG_TWICE"


class OutsideShapeProfile(FailedPrecondition):
    """A size that the model does not take."""

    reason = "OUTSIDE_SHAPE_PROFILE"


class ModelUnusable(FailedPrecondition):
    """A model that is there and cannot be run; the message says why."""

    reason = "MODEL_UNUSABLE"


class Aborted(ReelwireError):
    """The stream must be started again."""

    code = "ABORTED"
    reason = "ABORTED"


class SequenceBroken(Aborted):
    """A chunk is missing or came twice."""

    reason = "SEQUENCE_BROKEN"


class ResourceExhausted(ReelwireError):
    """A limit is reached."""

    code = "RESOURCE_EXHAUSTED"
    reason = "RESOURCE_EXHAUSTED"


class NoSlot(ResourceExhausted):
    """All stream slots are taken."""

    reason = "NO_SLOT"


class TooLarge(ResourceExhausted):
    """A message, frame, file or duration is over a limit; the message names the setting."""

    reason = "TOO_LARGE"


class Unavailable(ReelwireError):
    """Not now; another replica, or later."""

    code = "UNAVAILABLE"
    reason = "UNAVAILABLE"


class Draining(Unavailable):
    """The service is about to stop."""

    reason = "DRAINING"


class DeadlineExceeded(ReelwireError):
    """Too slow."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


class Stalled(DeadlineExceeded):
    """A peer neither sends nor takes."""

    reason = "STALLED"


class Cancelled(ReelwireError):
    """The caller left."""

    code = "CANCELLED"
    reason = "CANCELLED"


class DataLoss(ReelwireError):
    """Input that cannot be used."""

    code = "DATA_LOSS"
    reason = "DATA_LOSS"


class InputDamaged(DataLoss):
    """Input that cannot be opened or decoded at all."""

    reason = "INPUT_DAMAGED"


class Unimplemented(ReelwireError):
    """Not in this build or on this machine."""

    code = "UNIMPLEMENTED"
    reason = "UNIMPLEMENTED"


class BackendMissing(Unimplemented):
    """The inference backend asked for is not installed."""

    reason = "BACKEND_MISSING"


class CodecMissing(Unimplemented):
    """The codec asked for cannot be used here."""

    reason = "CODEC_MISSING"


class PermissionDenied(ReelwireError):
    """The operator does not allow it."""

    code = "PERMISSION_DENIED"
    reason = "PERMISSION_DENIED"


class InputNotAllowed(PermissionDenied):
    """A path or URL outside what the operator allows."""

    reason = "INPUT_NOT_ALLOWED"


class Internal(ReelwireError):
    """A bug of ours. The text is fixed; the stack is in the log."""


def all_errors(root: type[ReelwireError] = ReelwireError) -> Iterable[type[ReelwireError]]:
    """Every class of the tree, the root first."""
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)


# What people call things that the nearest spelling would not find.
OTHER_NAMES = {
    "avc": "h264", "h265": "hevc", "x265": "hevc", "h.265": "hevc", "x264": "h264", "vp09": "vp9",
    "mkv": "matroska", "ts": "mpegts", "m2ts": "mpegts", "letterbox": "pad",
    "stretch": "scale",
}  # fmt: skip


def choose_from(what: str, got: str, available: Iterable[str]) -> str:
    """``effect "blurr" not found; did you mean "blur"? available: blur, grade``."""
    names = sorted(available)
    near = [OTHER_NAMES[got.lower()]] if OTHER_NAMES.get(got.lower()) in names else []
    near = near or difflib.get_close_matches(got, names, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ";"
    return f'{what} "{got}" not found{hint} available: {", ".join(names) or "none"}'
