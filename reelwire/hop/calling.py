"""What a call to the next hop needs: whom, with what, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from reelwire.errors import ReelwireError
from reelwire.hop.channels import Channels
from reelwire.v1.pipeline_pb2 import Accepted, Notice


@dataclass(frozen=True)
class Destination:
    """Which stage to call, where it may be, and how long to wait for it."""

    stage: str
    addresses: tuple[str, ...]
    start_timeout_s: float


@dataclass
class Listeners:
    """What the owner of a Caller wants to hear; called on the event loop, must not block."""

    accepted: Callable[[Accepted], None] = lambda accepted: None
    notice: Callable[[Notice], None] = lambda notice: None
    ack: Callable[[int, int], None] = lambda track, through_seq: None
    failed: Callable[[ReelwireError], None] = lambda error: None


@dataclass
class CallerResources:
    """What callers of one process share."""

    channels: Channels
    copier: Executor
    returned_credit_chunks: int = 8
    listeners: Listeners = field(default_factory=Listeners)
