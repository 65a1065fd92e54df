"""One exception tree. Each class names its gRPC status and its reason; nothing here knows gRPC.

    ReelwireError
    ├── InvalidArgument     BadPayload · PtsNotIncreasing · BadParameter
    ├── NotFound            UnknownModel · UnknownEffect · InputNotFound
    ├── FailedPrecondition  ConfigTwice · OutsideShapeProfile · ModelUnusable (OperatorUnsupported ·
    │                       WrongArtifact) · ProfileInvalid · PlaceUnavailable · DeviceMissing ·
    │                       DeviceFellBack · PlanMissing · PlanStale
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


class OperatorUnsupported(ModelUnusable):
    """The backend does not have an operator of the graph; the message names the node."""

    reason = "MODEL_UNSUPPORTED"


class WrongArtifact(ModelUnusable):
    """A file that was made for another backend."""

    reason = "ARTIFACT_WRONG_BACKEND"


class ProfileInvalid(FailedPrecondition):
    """Shape profiles that contradict the graph or each other; the message names the tensor."""

    reason = "PROFILE_INVALID"


class DeviceMissing(FailedPrecondition):
    """The backend is installed and what it runs on is not there."""

    reason = "GPU_NO_DRIVER"


class DeviceFellBack(FailedPrecondition):
    """The runtime would have run it elsewhere than it was told to."""

    reason = "PROVIDER_FELL_BACK"


class PlanMissing(FailedPrecondition):
    """No plan was built yet for this model, device and version of the library."""

    reason = "PLAN_MISSING"


class PlanStale(FailedPrecondition):
    """A plan that the library refuses: damaged, or of another version or device."""

    reason = "ENGINE_STALE"


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
