"""A stage on its thread: where drops are told, what is counted, when it is closed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from reelwire.hop.clock import now_us
from reelwire.hop.timing import Arrival
from reelwire.hop.worker import ABANDON, Abandoned, Queued, StageWorker
from reelwire.media import Chunk, Dropped, DropReason, Frames, Offer, PayloadKind, Sound, SoundFormat
from reelwire.payloads import describe, dropped_to_proto, pieces
from reelwire.stage import Opened, Opening, Stage
from reelwire.testing import IdentityFactory, frames, small_video
from reelwire.v1 import media_pb2 as pb
from reelwire.v1.config_pb2 import PinnedModel, StreamConfig
from reelwire.v1.pipeline_pb2 import End
from reelwire.wire import encode_chunk, parse_chunk
from tests.reelwire.hop.stages import Holding, Recording, StageOf

VIDEO = small_video(4, 2)
SOUND = SoundFormat(8000, "mono", 1, Fraction(1, 8000))
OFFERS = (
    Offer(0, PayloadKind.SOUND, SOUND),
    Offer(1, PayloadKind.FRAMES, VIDEO, (VIDEO.layout,)),
)


class Outside:
    """A Host that writes down what it is told."""

    def __init__(self) -> None:
        self.emitted: list[Chunk] = []
        self.closed = 0

    def opened(self, opened: Opened) -> None:
        """Nothing to grant."""

    def taken(self, queued: Queued) -> None:
        """Nothing to grant."""

    def rests(self) -> None:
        pass

    def worked(self, queued: Queued) -> None:
        """Nothing to acknowledge."""

    def emit(self, chunk: Chunk, arrival: Arrival) -> None:
        """Keeps it."""
        self.emitted.append(chunk)


def agree(offers: Sequence[Offer], models: Sequence[PinnedModel] = ()) -> tuple[Offer, ...]:
    return tuple(offers)


def worker(factory: IdentityFactory, host: Outside) -> StageWorker:
    opening = Opening("test", StreamConfig(), OFFERS, agree, lambda kind, text: None)
    return StageWorker(factory, opening, host)


def queued(chunk: Chunk, *, late: bool = False) -> Queued:
    """As it comes from the wire; ``late``: ten seconds old, with a budget of one."""
    drops = [dropped_to_proto(dropped, "client") for dropped in chunk.dropped]
    header = pb.Chunk(track=chunk.track, dropped=drops)
    describe(chunk, header, VIDEO)
    raw = parse_chunk(encode_chunk(header, pieces(chunk.payload)))
    assert raw is not None
    now = now_us()
    return Queued(raw, Arrival(now, now - 10_000_000 * late, budget_us=1_000_000))


def picture(pts: int) -> Chunk:
    return Chunk(1, Frames(VIDEO, (pts,), next(frames(1, VIDEO)).pixels))


SILENCE = Chunk(0, Sound(SOUND, 0, np.zeros((80, 1), np.float32)))
ENDS = (End(track=0), End(track=1))


@pytest.mark.parametrize("stage", [Recording, Holding])
def test_a_late_chunk_becomes_a_tombstone_on_its_own_track_and_never_on_the_sounds(
    stage: type[Stage],
) -> None:
    factory, host = StageOf("generator", stage), Outside()
    running = worker(factory, host)
    for item in (queued(picture(0)), queued(picture(7), late=True), queued(SILENCE), *ENDS):
        running.inbox.put(item)
    running.run()
    told = [(chunk.track, drop) for chunk in host.emitted for drop in chunk.dropped]
    assert told == [(1, Dropped(1, DropReason.LATE, 7, 7, "generator"))]
    assert running.ledger.in_frames == 2
    assert running.ledger.dropped_frames == 1


def test_what_others_dropped_is_told_once_to_the_stage_and_once_to_the_next() -> None:
    factory, host = StageOf("generator", Recording), Outside()
    running = worker(factory, host)
    for item in (queued(picture(0), late=True), queued(picture(1), late=True), queued(picture(2)), *ENDS):
        running.inbox.put(item)
    running.run()
    (stage,) = factory.made
    assert isinstance(stage, Recording)
    assert [gap.first_pts for gap in stage.gaps] == [0, 1]
    assert stage.closed == 1
    assert sum(drop.count for chunk in host.emitted for drop in chunk.dropped) == 2


def test_an_abandoned_stage_is_closed_and_its_chunks_are_let_go() -> None:
    factory = StageOf("generator", Recording)
    running = worker(factory, Outside())
    for item in (ABANDON, queued(picture(0))):
        running.inbox.put(item)
    with pytest.raises(Abandoned):
        running.run()
    running.forget()
    assert running.inbox.empty()
    (stage,) = factory.made
    assert isinstance(stage, Recording)
    assert stage.closed == 1
