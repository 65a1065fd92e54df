"""Where the pixels of the hop into a stage lie, and those that it sends back: the called end's side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor

from reelwire.hop.inline import Inline
from reelwire.hop.lane import Lane
from reelwire.hop.place import IN_PROCESS, INLINE, SHARED_MEMORY
from reelwire.hop.placing import check_pinned
from reelwire.hop.rings import StreamRings
from reelwire.hop.shared_memory import SharedMemory
from reelwire.v1 import config_pb2
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.pipeline_pb2 import Attached, Credit


class HopIn:
    """One stream's. ``local``: the caller is in this process."""

    def __init__(self, rings: StreamRings, up: Lane, inline: Inline, *, local: bool) -> None:
        self.rings = rings
        self.local = local
        self.attached: Sequence[Attached] = ()
        self.returned_ring: config_pb2.Ring | None = None
        self.transport = IN_PROCESS if local else INLINE
        self._up = up
        self._inline = inline
        self._shared: SharedMemory | None = None
        self._attached_there: set[str] = set()

    async def take(self, config: config_pb2.StreamConfig, copier: Executor) -> None:
        """Maps what the caller offers. PlaceUnavailable: pixels cannot lie where REELWIRE_PIXELS says."""
        loop = asyncio.get_running_loop()
        if config.rings:
            self.attached = await loop.run_in_executor(copier, self.rings.take, config.rings)
        route = list(config.route)
        before = route.index(self.rings.reader) - 1
        if not self.local and self.rings.shares_with(route[before] if before >= 0 else "client"):
            self.transport = SHARED_MEMORY
        self._up.takes_batches = config.takes_batches and not self.local
        if any(offer.kind == pb.PAYLOAD_KIND_FRAMES for offer in config.offers):
            check_pinned(self.rings.policy.pinned, self.transport, self.rings.reader)

    async def offer_returned(
        self, copier: Executor, on_fallback: Callable[[str], None], *, fills: bool
    ) -> None:
        """Frames will go back over this hop. ``fills``: this process puts them where they lie, and so offers
        a ring for them; else they come from a later stage, by their handles."""
        if self.local:
            return
        if fills:
            loop, create = asyncio.get_running_loop(), self.rings.create
            self.returned_ring = await loop.run_in_executor(copier, create, on_fallback)
        if self.rings.mapped:
            self._shared = SharedMemory(self.rings, self._inline, copier, on_fallback)
            self._shared.allow(self._attached_there)
            self._shared.seen_since = self.rings.echoed
            self._up.place = self._shared

    def on_attached(self, attached: Iterable[Attached]) -> None:
        """The caller says which rings it has mapped; perhaps before it is known here what goes back."""
        self._attached_there |= self.rings.confirmed(attached)
        if self._shared is not None:
            self._shared.allow(self._attached_there)

    def on_credit(self, credit: Credit) -> None:
        """For what goes back: now the caller has seen who shares its own rings."""
        if self._shared is not None:
            self._shared.allow(self.rings.echoed())
        self._up.grant(credit)
