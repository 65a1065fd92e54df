"""What the gauges show of one stream while it runs. Read from the thread that answers /metrics."""

from __future__ import annotations

from reelwire.hop.relay import Relay


def credit_frames(relay: Relay) -> int:
    """Frames that the next hop will still take."""
    if relay.carried is None:
        return 0
    outbound = relay.carried.sides.outbound
    track = outbound.picture_track
    return max(0, outbound.lane.window.left(track)) if track is not None else 0


def inflight_frames(relay: Relay) -> int:
    """Frames that came and have not gone."""
    return max(0, relay.carried.worker.ledger.missing_frames) if relay.carried is not None else 0


def queued_frames(relay: Relay) -> int:
    """Frames that wait for work."""
    return relay.carried.sides.inbound.queued_frames if relay.carried is not None else 0


def unacked_chunks(relay: Relay) -> int:
    """Chunks that the tail has not acknowledged."""
    if relay.carried is None:
        return 0
    return sum(acks.unacked for acks in tuple(relay.carried.stage_side.acks.values()))
