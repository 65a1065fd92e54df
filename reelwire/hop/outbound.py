"""The giving half of a stream at one service: the next hop where there is one, else back to the caller.

Runs on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reelwire.errors import Internal, ResourceExhausted
from reelwire.formats import offer_from_proto, offer_to_proto
from reelwire.hop.caller import Caller
from reelwire.hop.calling import CallerResources, Destination
from reelwire.hop.clock import clock_id
from reelwire.hop.lane import Lane, LanePolicy
from reelwire.hop.tracks import picture_track
from reelwire.media import Offer, PayloadKind, PixelLayout
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig
from reelwire.v1.pipeline_pb2 import ProcessRequest, StageSummary
from reelwire.wire import RawChunk

MAX_EARLY_CONTROLS = 256  # kept until the next hop is open


@dataclass
class NextHop:
    """Whom to call, and how."""

    destination: Destination
    shared: CallerResources
    policy: LanePolicy
    pending_chunks: int


class Outbound:
    """Where a stage's chunks go."""

    def __init__(self, up: Lane, next_hop: NextHop | None) -> None:
        self._up = up
        self._next_hop = next_hop
        self._early: list[bytes] = []
        self.caller: Caller | None = None
        self.lane = up
        self.offers: tuple[Offer, ...] | None = None
        self.tracks: frozenset[int] = frozenset()  # of the offers
        self.returns: tuple[Offer, ...] = ()  # what goes back to the caller; once agreed
        self.models: tuple[PinnedModel, ...] = ()
        self.lag_frames = 0
        self.on_lane: Callable[[Lane], None] = lambda lane: None

    @property
    def is_tail(self) -> bool:
        """True where chunks go back to the caller."""
        return self._next_hop is None

    @property
    def picture_track(self) -> int | None:
        """The track whose frames are counted."""
        return picture_track(self.offers or ())

    async def open(
        self, config: StreamConfig, offers: Sequence[Offer], models: Sequence[PinnedModel]
    ) -> tuple[Offer, ...]:
        """Offers to whatever is next; gives what was agreed. Raises what the next stage raised."""
        if self.offers is not None:
            raise Internal("a stage negotiated twice")
        self.models = tuple(models)
        if self._next_hop is None:
            came = {each.track: each.layouts for each in map(offer_from_proto, config.offers)}
            agreed = tuple(_as_it_came(offer, came.get(offer.track, ())) for offer in offers)
            self.returns = agreed
        else:
            agreed = await self._call(self._next_hop, config, offers)
        self.lane.formats.update(
            {offer.track: offer.video for offer in agreed if offer.kind is PayloadKind.FRAMES}
        )
        self.on_lane(self.lane)
        self.offers = agreed
        self.tracks = frozenset(offer.track for offer in agreed)
        return agreed

    async def _call(self, hop: NextHop, config: StreamConfig, offers: Sequence[Offer]) -> tuple[Offer, ...]:
        onward = StreamConfig()
        onward.CopyFrom(config)
        del onward.offers[:]
        onward.offers.extend(offer_to_proto(offer) for offer in offers)
        del onward.rings[:]
        onward.models.extend(self.models)
        onward.clock_id = clock_id()
        self.caller = Caller(hop.destination, hop.shared, hop.policy)
        self.lane = self.caller.lane
        self.lane.pending_chunks = hop.pending_chunks
        await self.caller.open(onward)
        accepted = await self.caller.accepted(onward)
        self.lag_frames = accepted.lag_frames
        self.returns = tuple(self.caller.returns.values())
        for message in self._early:
            self.lane.send(message)
        chosen = {message.track: offer_from_proto(message) for message in accepted.inputs}
        return tuple(_as_chosen(offer, chosen) for offer in offers)

    def forward(self, message: ProcessRequest) -> None:
        """A control for a later stage; kept until the next hop is open. ResourceExhausted: too many are."""
        data = message.SerializeToString()
        if self.caller is not None and self.offers is not None:
            self.lane.send(data)
        elif len(self._early) < MAX_EARLY_CONTROLS:
            self._early.append(data)
        else:
            raise ResourceExhausted(
                f"more than {MAX_EARLY_CONTROLS} controls before the stages have accepted; wait for Accepted",
                field="control",
            )

    async def relay_returns(self) -> None:
        """What comes back goes up as it is, under the caller's credit; until the next hop ends."""
        assert self.caller is not None
        while True:
            raw: RawChunk | None = await self.caller.returned.get()
            if raw is None:
                return
            await self._up.put(raw)
            self.caller.taken(raw)

    async def end(self) -> None:
        """No more chunks: End on every track."""
        if self.caller is None:
            await self._up.finish()
        else:
            await self.caller.end([offer.track for offer in self.offers or ()])

    def later_stages(self) -> Sequence[StageSummary]:
        """The accounts of all stages after this one, as far as they came."""
        if self.caller is None or self.caller.summary is None:
            return ()
        return tuple(self.caller.summary.stages)

    async def leave(self, within_s: float) -> None:
        """Ends the stream at the next hop and hears its accounts."""
        if self.caller is not None:
            await self.caller.leave(within_s)

    async def close(self) -> None:
        """Leaves the next hop, at once."""
        if self.caller is not None:
            await self.caller.close()


def _as_it_came(offer: Offer, came: Sequence[PixelLayout]) -> Offer:
    """At the end of a route nobody chooses: what came in goes back in the same layout where that can be
    (``came``: the sender's, the preferred first), else in the one that the stage prefers."""
    if offer.kind is not PayloadKind.FRAMES:
        return offer
    return offer.settled(next((each for each in came if each in offer.layouts), offer.layouts[0]))


def _as_chosen(offer: Offer, chosen: dict[int, Offer]) -> Offer:
    if offer.track not in chosen:
        raise Internal(f"the next stage did not take track {offer.track}")
    if offer.kind is not PayloadKind.FRAMES:
        return offer
    layout = chosen[offer.track].video.layout
    if layout not in offer.layouts:
        raise Internal(f"the next stage chose {layout.name}, which was not offered")
    return offer.settled(layout)
