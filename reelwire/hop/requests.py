"""What the caller sends, each message to where it belongs. Nothing here waits but for the next message, so
that credit, acks and controls are read even while everything else is held up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from queue import SimpleQueue

from reelwire.errors import ConfigTwice, InvalidArgument, ResourceExhausted
from reelwire.formats import MAX_TRACKS
from reelwire.hop.checks import check_still_there
from reelwire.hop.idle import Idle
from reelwire.hop.place import Wire
from reelwire.hop.sides import Sides
from reelwire.hop.worker import Item
from reelwire.v1.pipeline_pb2 import ProcessRequest
from reelwire.wire import RawChunk, messages_in

# Chunks, Ends and controls in front of a stage; chunks are bounded by credit long before.
MAX_WAITING_ITEMS = 4096


class Requests:
    """Feeds a stage's inbox."""

    def __init__(self, sides: Sides, inbox: SimpleQueue[Item], idle: Idle) -> None:
        self._sides = sides
        self._inbox = inbox
        self._idle = idle

    async def read(self, messages: AsyncIterator[Wire]) -> None:
        """Until the caller closes its side. Raises what is wrong with a message; Cancelled where it closed
        its side too early."""
        async for wire in messages:
            self._idle.heard()
            self._receive_all(wire)
            del wire  # an error that ends the wait would hold the newest chunk
        check_still_there(self._sides.inbound.ended)

    def _receive_all(self, wire: Wire) -> None:
        for message in messages_in(wire, ProcessRequest):
            self._receive(message)

    def _receive(self, message: ProcessRequest | RawChunk) -> None:
        if self._inbox.qsize() > MAX_WAITING_ITEMS:
            raise ResourceExhausted(
                f"more than {MAX_WAITING_ITEMS} messages wait for the {self._sides.stage}; send fewer at once"
            )
        if isinstance(message, RawChunk):
            self._inbox.put(self._sides.inbound.receive(message))
            return
        match message.WhichOneof("message"):
            case "config":
                raise ConfigTwice("a second config; open another stream for another config", field="config")
            case "end":
                self._sides.inbound.end(message.end.track)
                self._inbox.put(message.end)
            case "credit":
                credit = message.credit
                if not 0 <= credit.track < MAX_TRACKS:
                    raise InvalidArgument(
                        f"credit for track {credit.track}; expected 0 to {MAX_TRACKS - 1}", field="track"
                    )
                self._sides.hop_in.on_credit(credit)
            case "control":
                self._on_control(message)
            case "release":
                self._sides.up.place.release(message.release)
            case "attached":
                self._sides.hop_in.on_attached([message.attached])
            case "batch":
                raise InvalidArgument("a batch inside a batch", field="batch")

    def _on_control(self, message: ProcessRequest) -> None:
        stage, route = self._sides.stage, list(self._sides.config.route)
        if message.control.stage == stage:
            self._inbox.put(message.control)
        elif message.control.stage in route[route.index(stage) :]:
            self._sides.outbound.forward(message)
        else:
            raise InvalidArgument(
                f'control for "{message.control.stage}"; expected one of {", ".join(route)}', field="stage"
            )
