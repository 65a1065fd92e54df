"""What is decided when a stream starts: credit, the next hop, and the answer to the caller."""

from __future__ import annotations

from reelwire import __version__
from reelwire.formats import check_limits, offer_from_proto, offer_to_proto
from reelwire.hop.calling import CallerResources, Destination, Listeners
from reelwire.hop.calls import Call, Carry, LocalCall, RemoteCall
from reelwire.hop.checks import stage_after
from reelwire.hop.context import ServiceContext
from reelwire.hop.lane import PENDING_CHUNKS, LanePolicy
from reelwire.hop.outbound import NextHop
from reelwire.hop.place import IN_PROCESS
from reelwire.hop.rings import StreamRings
from reelwire.hop.sides import Sides
from reelwire.media import Offer
from reelwire.settings import Settings
from reelwire.stage import Opened
from reelwire.v1.config_pb2 import Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Accepted

LIVE_CREDIT_CHUNKS, FILE_CREDIT_CHUNKS = 2, 8
GATHER_CHUNKS = 4


def credit_chunks(config: StreamConfig) -> int:
    """Chunks that may be under way on each hop."""
    live = config.policy == Policy.POLICY_LIVE
    return config.credit_chunks or (LIVE_CREDIT_CHUNKS if live else FILE_CREDIT_CHUNKS)


def gather(config: StreamConfig) -> int:
    """Chunks that are passed on together where more than one wait: half of the credit, so that the other half
    is worked on meanwhile. One where delay is what counts."""
    live = config.policy == Policy.POLICY_LIVE
    return 1 if live else max(1, min(GATHER_CHUNKS, credit_chunks(config) // 2))


def pending_chunks(config: StreamConfig, *, source: bool) -> int:
    """Chunks that are ready and wait for credit. Where delay counts only a source has a second one, of which
    it takes the newer."""
    live = config.policy == Policy.POLICY_LIVE
    return 1 if live and not source else max(PENDING_CHUNKS, gather(config))


def offers_of(config: StreamConfig, settings: Settings) -> tuple[Offer, ...]:
    """What the caller will send. InvalidArgument, BadPayload, TooLarge: an offer that cannot be taken."""
    offers = tuple(offer_from_proto(message) for message in config.offers)
    for offer in offers:
        check_limits(offer, settings.max_frame_pixels, settings.max_message_bytes)
    return offers


def next_hop(
    config: StreamConfig,
    context: ServiceContext,
    rings: StreamRings,
    listeners: Listeners,
    *,
    is_source: bool,
) -> NextHop | None:
    """Whom to call after this stage; None at the end of the route. Only a live source may drop."""
    stage, settings = context.factory.name, context.settings
    following = stage_after(config, stage)
    if following is None:
        return None
    start_timeout_s = config.start_timeout_s or settings.start_timeout_s
    live = config.policy == Policy.POLICY_LIVE
    neighbour = _neighbour(following, context)

    def open_call(address: str) -> Call:
        if neighbour is not None:
            return LocalCall(neighbour)
        return RemoteCall(context.channels, following, address)

    addresses = settings.addresses(following) if neighbour is None else (IN_PROCESS,)
    return NextHop(
        Destination(following, addresses, start_timeout_s, local=neighbour is not None),
        CallerResources(
            open_call,
            context.copier,
            rings,
            stage,
            settings.max_message_bytes,
            credit_chunks(config),
            listeners,
            live,
        ),
        LanePolicy(stage, settings.stall_timeout_s, droppable=live and is_source),
        pending_chunks(config, source=is_source),
    )


def _neighbour(stage: str, context: ServiceContext) -> Carry | None:
    """A service of this process, unless the operator names another or wants pixels elsewhere."""
    if context.settings.addresses(stage) or context.pixels.pinned not in ("", IN_PROCESS):
        return None
    return context.neighbours.get(stage)


def accepted_message(sides: Sides, opened: Opened) -> Accepted:
    """This stage's answer; the last one of the route also says what comes back."""
    config, outbound = sides.config, sides.outbound
    accepted = Accepted(
        stage=sides.stage,
        inputs=[offer_to_proto(offer) for offer in opened.inputs],
        lag_frames=opened.hold_frames + outbound.lag_frames,
        models=outbound.models,
        transport=sides.hop_in.transport,
        attached=sides.hop_in.attached,
        ring=sides.hop_in.returned_ring,
        takes_batches=True,
        resumable=opened.resumable,
        credit_frames=(config.chunk_frames or 1) * credit_chunks(config),
        version=__version__,
    )
    if outbound.is_tail:
        accepted.returns.extend(offer_to_proto(offer) for offer in outbound.offers or ())
    return accepted
