"""What the gauges show of one stream while it runs."""

from __future__ import annotations

from reelwire.hop.relay import Relay


def credit_frames(relay: Relay) -> int:
    """Frames that the next hop will still take."""
    track = relay.outbound.picture_track
    return max(0, relay.outbound.lane.window.left(track)) if track is not None else 0


def inflight_frames(relay: Relay) -> int:
    """Frames that came and have not gone."""
    return max(0, relay.worker.ledger.missing_frames) if relay.worker is not None else 0


def queued_frames(relay: Relay) -> int:
    """Frames that wait for work."""
    return relay.inbound.queued_frames


def unacked_chunks(relay: Relay) -> int:
    """Chunks that the tail has not acknowledged."""
    return sum(acks.unacked for acks in relay.acks.values())
