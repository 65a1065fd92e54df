"""Runs preprocess's stage by itself, over uploads, names, prompts and frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from reelwire.media import (
    Chunk,
    ContainerBytes,
    ContainerFormat,
    Dropped,
    DropReason,
    Frames,
    Offer,
    Packet,
    Packets,
    PayloadKind,
    PixelLayout,
    Pixels,
    Samples,
    Sound,
)
from reelwire.pixels import convert
from reelwire.settings import Settings
from reelwire.stage import Opening
from reelwire.v1.config_pb2 import Policy, PreprocessConfig, StreamConfig
from services.preprocess.stage import PreprocessFactory

UPLOAD = (Offer(0, PayloadKind.CONTAINER_BYTES, ContainerFormat()),)
PIECE_BYTES = 10_007


@dataclass
class Given:
    """All that a stream gave."""

    offers: tuple[Offer, ...] = ()
    chunks: list[Chunk] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    source_frames: int = 0
    damaged_frames: int = 0

    @property
    def frames(self) -> list[Frames]:
        return [chunk.payload for chunk in self.chunks if isinstance(chunk.payload, Frames)]

    @property
    def pts(self) -> list[int]:
        return [pts for frames in self.frames for pts in frames.pts]

    @property
    def pixels(self) -> Pixels:
        return np.concatenate([frames.pixels for frames in self.frames])

    @property
    def rgb(self) -> Pixels:
        """The first picture."""
        first = self.frames[0]
        return convert(first.pixels[0], first.format.layout, PixelLayout.RGB24)

    @property
    def sounds(self) -> list[Sound]:
        return [chunk.payload for chunk in self.chunks if isinstance(chunk.payload, Sound)]

    @property
    def samples(self) -> Samples:
        return np.concatenate([sound.samples for sound in self.sounds])

    @property
    def packets(self) -> list[Packet]:
        found = [chunk.payload for chunk in self.chunks if isinstance(chunk.payload, Packets)]
        return [packet for packets in found for packet in packets.packets]

    @property
    def made(self) -> int:
        return sum(chunk.made_frames for chunk in self.chunks)

    @property
    def dropped(self) -> list[Dropped]:
        return [dropped for chunk in self.chunks for dropped in chunk.dropped]

    def count(self, reason: DropReason) -> int:
        return sum(dropped.count for dropped in self.dropped if dropped.reason is reason)

    def check_accounts(self) -> None:
        lost = sum(dropped.count for dropped in self.dropped)
        assert self.source_frames + self.made == len(self.pts) + lost


class Next:
    """The next stage: takes ``layout`` where it is offered."""

    def __init__(self, layout: PixelLayout | None) -> None:
        self.layout = layout
        self.given = Given()

    def negotiate(self, offers: Sequence[Offer], models: object = ()) -> tuple[Offer, ...]:
        assert not self.given.offers, "negotiated twice"
        self.given.offers = tuple(offers)
        return tuple(self._settled(offer) for offer in offers)

    def _settled(self, offer: Offer) -> Offer:
        if offer.kind is not PayloadKind.FRAMES:
            return offer
        return offer.settled(self.layout if self.layout in offer.layouts else offer.layouts[0])

    def notice(self, kind: object, text: str) -> None:
        self.given.notices.append(text)


def stream_config(*, live: bool = False, chunk_frames: int = 1, **preprocess: Any) -> StreamConfig:
    made = StreamConfig(chunk_frames=chunk_frames, preprocess=PreprocessConfig(**preprocess))
    if live:
        made.policy = Policy.POLICY_LIVE
    return made


def run_stage(
    config: StreamConfig,
    offers: Sequence[Offer] = (),
    chunks: Iterable[Chunk] = (),
    *,
    layout: PixelLayout | None = None,
    settings: Settings | None = None,
) -> Given:
    """Opens, feeds, flushes and closes."""
    after = Next(layout)
    given = after.given
    opening = Opening("test", config, tuple(offers), after.negotiate, after.notice)
    stage: Any = PreprocessFactory(settings or Settings()).open(opening).stage
    try:
        for chunk in chunks:
            given.chunks += stage.feed(chunk)
        given.chunks += stage.flush()
    finally:
        given.source_frames = getattr(stage, "source_frames", 0)
        given.damaged_frames = getattr(stage, "damaged_frames", 0)
        stage.close()
    return given


def upload(
    path: Path, *, layout: PixelLayout | None = None, settings: Settings | None = None, **config: Any
) -> Given:
    """A file's bytes, in pieces; checks the accounts."""
    made = stream_config(**config)
    made.input.upload.name = path.name
    data = path.read_bytes()
    pieces = (data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES))
    chunks = (Chunk(0, ContainerBytes(piece)) for piece in pieces)
    given = run_stage(made, UPLOAD, chunks, layout=layout, settings=settings)
    given.check_accounts()
    return given


def open_url(
    url: str, *, layout: PixelLayout | None = None, settings: Settings | None = None, **config: Any
) -> Given:
    """Something that preprocess opens itself; checks the accounts."""
    made = stream_config(**config)
    made.input.url = url
    given = run_stage(made, layout=layout, settings=settings)
    given.check_accounts()
    return given


def seconds(given: Given) -> list[Fraction]:
    """When each picture is shown."""
    return [pts * given.frames[0].format.time_base for pts in given.pts]
