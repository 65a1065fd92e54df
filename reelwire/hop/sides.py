"""The two sides of one stream at one service, once its config is known, and what the caller is told."""

from __future__ import annotations

from dataclasses import dataclass

from reelwire.hop.hop_in import HopIn
from reelwire.hop.inbound import Inbound
from reelwire.hop.lane import Lane
from reelwire.hop.outbound import Outbound
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Accepted, Notice, ProcessResponse


@dataclass(frozen=True)
class Sides:
    """``up``: the way back to the caller. ``hop_in``: where the pixels of that hop lie. ``inbound``: what
    comes from the caller. ``outbound``: where chunks go."""

    stage: str
    config: StreamConfig
    up: Lane
    hop_in: HopIn
    inbound: Inbound
    outbound: Outbound

    def tell_accepted(self, accepted: Accepted) -> None:
        """An answer for the caller, this stage's or a later one's."""
        self.up.send(ProcessResponse(accepted=accepted).SerializeToString())

    def tell_notice(self, notice: Notice) -> None:
        """One line for the caller, this stage's or a later one's."""
        self.up.send(ProcessResponse(notice=notice).SerializeToString())
