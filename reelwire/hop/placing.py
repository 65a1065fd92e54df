"""Where the pixels of a hop will lie: offered with the config, chosen once the next stage has accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from reelwire.errors import PlaceUnavailable
from reelwire.formats import offer_from_proto
from reelwire.hop.in_process import InProcess
from reelwire.hop.inline import Inline
from reelwire.hop.place import IN_PROCESS, INLINE, SHARED_MEMORY, Place
from reelwire.hop.rings import StreamRings
from reelwire.hop.shared_memory import SharedMemory
from reelwire.media import Offer, PayloadKind
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Accepted, Attached

Result = TypeVar("Result")
FIRST_SLOTS = 4  # allocated with the ring, so that both ends know where pixels lie; more when needed


class Placing:
    """The calling end's side of it, for one stream."""

    def __init__(
        self, rings: StreamRings, inline: Inline, copier: Executor, on_fallback: Callable[[str], None]
    ) -> None:
        self._rings = rings
        self._inline = inline
        self._copier = copier
        self._on_fallback = on_fallback

    async def offer(self, config: StreamConfig, *, local: bool) -> None:
        """Puts into a config for the next stage what it may map: what this process can read, and a ring of
        its own where it has pixels to send to another process."""
        del config.rings[:]
        config.rings.extend(self._rings.offered)
        config.takes_batches = True
        if local or not _carries_frames(config):
            return
        sizes = [each.video.frame_bytes for each in _frames(config.offers)]
        ring = await self._off_loop(
            lambda: self._rings.create(self._on_fallback, FIRST_SLOTS, max(sizes, default=1))
        )
        if ring is not None:
            config.rings.append(ring)

    async def choose(self, accepted: Accepted, config: StreamConfig, *, local: bool) -> Place:
        """The place for what is sent; ``accepted.transport`` says it too. PlaceUnavailable: REELWIRE_PIXELS
        wants another."""
        chosen: Place = InProcess() if local else await self._remote(accepted)
        if _carries_frames(config):
            accepted.transport = chosen.name
            check_pinned(self._rings.policy.pinned, accepted.transport, accepted.stage)
        return chosen

    async def _remote(self, accepted: Accepted) -> Place:
        rings, names = self._rings, self._rings.confirmed(accepted.attached)
        if rings.own is None or rings.own.name not in names:
            await self._off_loop(rings.give_up_own)
            return self._inline
        place = SharedMemory(rings, self._inline, self._copier, self._on_fallback)
        place.allow(names)
        return place

    async def map_returned(self, accepted: Accepted) -> Sequence[Attached]:
        """Maps the ring of a stage that sends pixels back; what it must be told."""
        if not accepted.ring.name:
            return ()
        return await self._off_loop(lambda: self._rings.map([accepted.ring]))

    async def _off_loop(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._copier, work)


def check_pinned(pinned: str, transport: str, stage: str) -> None:
    """PlaceUnavailable: the pixels of the hop into ``stage`` would lie elsewhere than where they must."""
    if pinned and pinned != transport:
        fix = {
            SHARED_MEMORY: "both ends need the same REELWIRE_SHM_DIR, with room in it",
            IN_PROCESS: "host both services in one process: python -m services STAGE STAGE",
            INLINE: "set it to auto",
        }[pinned]
        raise PlaceUnavailable(
            f"REELWIRE_PIXELS={pinned}, and the pixels of the hop to {stage} can only be {transport}; {fix}",
            stage=stage,
        )


def _frames(messages: Iterable[pb.Offer]) -> list[Offer]:
    offers = (offer_from_proto(message) for message in messages)
    return [offer for offer in offers if offer.kind is PayloadKind.FRAMES]


def _carries_frames(config: StreamConfig) -> bool:
    return any(offer.kind == pb.PAYLOAD_KIND_FRAMES for offer in config.offers)
