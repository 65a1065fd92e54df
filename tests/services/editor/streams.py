"""One stream through the editor's stage, in one process, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from reelwire.media import (
    Chunk,
    Dropped,
    Frames,
    Offer,
    PayloadKind,
    PixelLayout,
    Pixels,
    Samples,
    Sound,
    SoundFormat,
    VideoFormat,
    read_only,
    split_frames,
)
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, Stage
from reelwire.testing import picture
from reelwire.v1.config_pb2 import EffectConfig, PinnedModel, StreamConfig
from reelwire.v1.pipeline_pb2 import Control, Notice
from services.editor.stage import EditorFactory

BASE = Fraction(1, 25)
RATE = 48000
RGB = (PixelLayout.RGB24,)
EITHER = (PixelLayout.I420, PixelLayout.RGB24)
SOUND = SoundFormat(RATE, "stereo", 2, Fraction(1, RATE))
Params = dict[str, Any]
Effects = Sequence[tuple[str, Params]]


@dataclass
class NextStage:
    """What comes after: takes the first of its ``layouts`` that is offered, remembers what it was told."""

    layouts: tuple[PixelLayout, ...] = RGB
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


def factory(assets: Path | None = None, models: Path | None = None, **settings: Any) -> EditorFactory:
    """An editor that may read the files below ``assets`` and has the models of a folder."""
    return EditorFactory(Settings(asset_root=assets, model_path=str(models or ""), **settings))


def video(width: int, height: int, layouts: tuple[PixelLayout, ...] = RGB, track: int = 0) -> Offer:
    """An offer of frames."""
    return Offer(track, PayloadKind.FRAMES, VideoFormat(width, height, BASE, layouts[0]), layouts)


def sound_offer(track: int = 1) -> Offer:
    """An offer of stereo sound."""
    return Offer(track, PayloadKind.SOUND, SOUND)


def effect(name: str, params: Params) -> EffectConfig:
    """One effect of a stream."""
    config = EffectConfig(name=name)
    config.params.update(params)
    return config


def open_stream(
    editor: EditorFactory, effects: Effects, offers: Sequence[Offer], after: NextStage | None = None
) -> Opened:
    """A stream with these effects."""
    after = after or NextStage()
    config = StreamConfig()
    config.editor.effects.extend(effect(name, params) for name, params in effects)
    return editor.open(Opening("test", config, tuple(offers), after.negotiate, after.notice))


def change(index: int, from_pts: int, **params: Any) -> Control:
    """New parameters of an effect."""
    control = Control(stage="editor", from_pts=from_pts)
    control.effect.index = index
    control.effect.params.update(params)
    return control


def clip(count: int, width: int = 64, height: int = 48, start: int = 0) -> Pixels:
    """Test pictures (count, height, width, 3), read-only."""
    return read_only(np.stack([picture(start + index, width, height) for index in range(count)]))


def chunk(pixels: Pixels, first_pts: int = 0, keyframes: tuple[int, ...] = (), track: int = 0) -> Chunk:
    """RGB frames one tick apart."""
    format_ = VideoFormat(pixels.shape[2], pixels.shape[1], BASE)
    pts = tuple(range(first_pts, first_pts + len(pixels)))
    return Chunk(track, Frames(format_, pts, pixels), keyframes=keyframes)


def sound_chunk(samples: Samples, pts: int = 0, track: int = 1) -> Chunk:
    """Stereo sound, (N, 2) float32."""
    return Chunk(track, Sound(SOUND, pts, samples))


def feed(stage: Stage, whole: Chunk, frames_each: int = 1) -> list[Chunk]:
    """Feeds a clip cut into chunks; gives the chunks that came out, without a flush."""
    return [out for part in split_frames(whole, frames_each) for out in stage.feed(part)]


@dataclass
class Result:
    """All that came out: frames in order, the pts of keyframes, what was dropped."""

    pts: list[int]
    pixels: list[Pixels]
    keyframes: list[int]
    dropped: list[Dropped]

    @property
    def bytes(self) -> bytes:
        """All pixels, with their pts."""
        return b"".join(b"%d:" % p + each.tobytes() for p, each in zip(self.pts, self.pixels, strict=True))

    @property
    def lost(self) -> int:
        """Frames dropped."""
        return sum(dropped.count for dropped in self.dropped)


def joined(chunks: Iterable[Chunk]) -> Result:
    """What chunks hold, copied; checks shapes, and that nothing is out of order."""
    result = Result([], [], [], [])
    for out in chunks:
        newest = result.pts[-1] if result.pts else None
        for dropped in out.dropped:
            assert newest is None or dropped.first_pts > newest
        result.dropped += out.dropped
        if out.payload is None:
            continue
        assert isinstance(out.payload, Frames)
        assert len(out.payload.pts) == len(out.payload.pixels) > 0
        assert out.payload.pixels.shape[1:] == out.payload.format.frame_shape
        assert out.payload.pixels.dtype == np.uint8
        result.pts += out.payload.pts
        result.keyframes += [out.payload.pts[place] for place in out.keyframes]
        result.pixels += [each.copy() for each in out.payload.pixels]
    assert result.pts == sorted(set(result.pts))
    return result


def whole_stream(opened: Opened, whole: Chunk, frames_each: int = 1) -> Result:
    """All of a clip through a stage to its end; checks that the accounts close."""
    result = joined([*feed(opened.stage, whole, frames_each), *opened.stage.flush()])
    opened.stage.close()
    assert isinstance(whole.payload, Frames)
    assert len(result.pts) + result.lost == len(whole.payload)
    return result


def run_clip(editor: EditorFactory, effects: Effects, pixels: Pixels, frames_each: int = 1) -> Result:
    """A clip through effects."""
    opened = open_stream(editor, effects, [video(pixels.shape[2], pixels.shape[1])])
    return whole_stream(opened, chunk(pixels), frames_each)


def sounds(chunks: Iterable[Chunk]) -> tuple[list[int], Samples]:
    """The pts of each piece, and all samples."""
    pieces = [out.payload for out in chunks if isinstance(out.payload, Sound)]
    samples = [piece.samples for piece in pieces] or [np.empty((0, 2), np.float32)]
    return [piece.pts for piece in pieces], np.concatenate(samples)
