"""One stream through the generator's stage, in one process, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout, Pixels, VideoFormat, split_frames
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, Stage
from reelwire.v1.config_pb2 import GeneratorConfig, PinnedModel, StreamConfig
from reelwire.v1.pipeline_pb2 import Control, Notice
from services.generator.stage import GeneratorFactory

BASE = Fraction(1, 25)
RGB = (PixelLayout.RGB24,)
EITHER = (PixelLayout.I420, PixelLayout.RGB24)


@dataclass
class NextStage:
    """What comes after: takes the first of its ``layouts`` that is offered, remembers what it was told."""

    layouts: tuple[PixelLayout, ...] = EITHER
    offers: tuple[Offer, ...] = ()
    models: tuple[PinnedModel, ...] = ()
    notices: list[str] = field(default_factory=list)

    def negotiate(self, offers: Sequence[Offer], models: Sequence[PinnedModel] = ()) -> tuple[Offer, ...]:
        assert not self.offers, "negotiated twice"
        self.offers, self.models = tuple(offers), tuple(models)
        return tuple(
            offer.settled(next(layout for layout in self.layouts if layout in offer.layouts))
            if offer.kind is PayloadKind.FRAMES
            else offer
            for offer in offers
        )

    def notice(self, kind: Notice.Kind, text: str) -> None:
        self.notices.append(text)


def factory(folder: Path | None = None, **settings: object) -> GeneratorFactory:
    """A generator with the models of ``folder`` and those that ship."""
    return GeneratorFactory(Settings(model_path=str(folder or ""), **settings))  # type: ignore[arg-type]


def video(width: int, height: int, layouts: tuple[PixelLayout, ...] = RGB, track: int = 0) -> Offer:
    """An offer of frames."""
    return Offer(track, PayloadKind.FRAMES, VideoFormat(width, height, BASE, layouts[0]), layouts)


def opening(offers: Sequence[Offer], after: NextStage, config: GeneratorConfig) -> Opening:
    """What the runtime would open the stage with."""
    return Opening("test", StreamConfig(generator=config), tuple(offers), after.negotiate, after.notice)


def open_stream(
    generator: GeneratorFactory, offer: Offer, after: NextStage | None = None, **config: object
) -> Opened:
    """A stream of one track."""
    after = after or NextStage()
    return generator.open(opening([offer], after, GeneratorConfig(**config)))  # type: ignore[arg-type]


def clip(count: int, height: int, width: int, seed: int = 11) -> Pixels:
    """Random frames (count, height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def chunk(pixels: Pixels, first_pts: int = 0, keyframes: tuple[int, ...] = (), track: int = 0) -> Chunk:
    """RGB frames one tick apart."""
    format_ = VideoFormat(pixels.shape[2], pixels.shape[1], BASE)
    pts = tuple(range(first_pts, first_pts + len(pixels)))
    return Chunk(track, Frames(format_, pts, pixels), keyframes=keyframes)


def feed(stage: Stage, whole: Chunk, frames_each: int = 1) -> list[Chunk]:
    """Feeds a clip cut into chunks; gives the chunks that came out, without a flush."""
    return [out for part in split_frames(whole, frames_each) for out in stage.feed(part)]


def joined(chunks: Iterable[Chunk]) -> tuple[list[int], Pixels, list[int]]:
    """pts, pixels and the pts of keyframes of all that came out."""
    pts: list[int] = []
    pixels: list[Pixels] = []
    keys: list[int] = []
    for out in chunks:
        assert isinstance(out.payload, Frames)
        assert len(out.payload.pts) == len(out.payload.pixels)
        assert out.payload.pixels.shape[1:] == out.payload.format.frame_shape
        pts += out.payload.pts
        keys += [out.payload.pts[place] for place in out.keyframes]
        pixels.append(out.payload.pixels.copy())
    return pts, np.concatenate(pixels), keys


def whole_stream(opened: Opened, pixels: Pixels, frames_each: int = 1) -> Pixels:
    """All of a clip through a stage to its end; checks that each frame comes out once, in order."""
    out = [*feed(opened.stage, chunk(pixels), frames_each), *opened.stage.flush()]
    pts, made, _ = joined(out)
    assert pts == list(range(len(pixels)))
    opened.stage.close()
    return made


def strength_from(pts: int, value: float) -> Control:
    """A change of strength."""
    return Control(stage="generator", from_pts=pts, strength=value)
