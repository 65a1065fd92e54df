"""What a call to the next hop needs: whom, with what, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from reelwire.errors import ReelwireError
from reelwire.hop.calls import Call
from reelwire.hop.rings import StreamRings
from reelwire.v1.pipeline_pb2 import Accepted, Notice


@dataclass(frozen=True)
class Destination:
    """Which stage to call, where it may be, and how long to wait for it. ``local``: in this process."""

    stage: str
    addresses: tuple[str, ...]
    start_timeout_s: float
    local: bool = False


@dataclass
class Listeners:
    """What the owner of a Caller wants to hear; called on the event loop, must not block."""

    accepted: Callable[[Accepted], None] = lambda accepted: None
    notice: Callable[[Notice], None] = lambda notice: None
    fallback: Callable[[str], None] = lambda text: None  # from any thread: pixels go in messages from now on
    ack: Callable[[int, int], None] = lambda track, through_seq: None
    failed: Callable[[ReelwireError], None] = lambda error: None


@dataclass
class CallerResources:
    """What a caller works with. ``open_call``: opens a call to an address of the next stage."""

    open_call: Callable[[str], Call]
    copier: Executor
    rings: StreamRings
    stage: str  # who calls: a stage, or "client"
    max_payload_bytes: int = 0
    returned_credit_chunks: int = 8
    listeners: Listeners = field(default_factory=Listeners)
    live: bool = False
