"""One stream through one picture model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from reelwire.errors import BadParameter, BadPayload
from reelwire.media import Chunk, Frames, PixelLayout, Pixels, VideoFormat
from reelwire.models.recurrent import pack_arrays, unpack_arrays
from reelwire.models.spec import Window
from reelwire.pixels import convert
from reelwire.stage import PassThrough
from reelwire.v1.pipeline_pb2 import Control, Notice
from services.generator.inference import FrameModel
from services.generator.strength import StrengthTimeline, blend
from services.generator.windows import Held, Step, WindowBuffer


@dataclass(frozen=True)
class Picture:
    """The track that the model works on. ``frames_each``: most frames in one chunk that is given."""

    track: int
    taken: VideoFormat
    given: VideoFormat
    frames_each: int


class PictureStage(PassThrough):
    """Gives each frame of one track once, as the model made it; all other tracks untouched."""

    def __init__(
        self,
        picture: Picture,
        model: FrameModel,
        window: Window,
        strength: float,
        notice: Callable[[Notice.Kind, str], None],
    ) -> None:
        self._picture = picture
        self._model = model
        self._buffer = WindowBuffer(window)
        self._strength = StrengthTimeline(strength)
        self._notice = notice
        self._last_pts: int | None = None

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """BadPayload: frames of another size than was agreed. ModelUnusable: the model failed."""
        if chunk.track != self._picture.track:
            return (replace(chunk, dropped=()),)
        frames = chunk.payload
        taken = self._picture.taken
        if not isinstance(frames, Frames) or frames.pixels.shape[1:] != taken.frame_shape:
            got = list(frames.pixels.shape[1:]) if isinstance(frames, Frames) else type(frames).__name__
            raise BadPayload(
                f"got {got}, expected frames of {taken.width}x{taken.height} {taken.layout.name}"
            )
        return self._chunks(self._steps(frames, chunk.keyframes))

    def flush(self) -> Iterable[Chunk]:
        """The frames that are still held."""
        return self._chunks(self._buffer.flush())

    def control(self, control: Control) -> None:
        """Strength from a pts on. BadParameter: another change, or not 0 to 1."""
        change = control.WhichOneof("change")
        if change != "strength":
            raise BadParameter(
                f'the generator has no "{change}" to change; expected "strength"', field="change"
            )
        from_pts = control.from_pts
        if self._last_pts is not None and from_pts <= self._last_pts:
            text = f"strength was to change at pts {from_pts}, which has passed: it holds from the next frame"
            self._notice(Notice.KIND_WARNING, text)
            from_pts = self._last_pts + 1
        self._strength.change(from_pts, control.strength)

    def snapshot(self) -> bytes:
        """State, held frames and strength, in NumPy's .npz format."""
        last = [] if self._last_pts is None else [self._last_pts]
        saved = {"last pts": np.array(last, np.int64), **self._buffer.save(), **self._strength.save()}
        return pack_arrays({**saved, **self._model.save()})

    def restore(self, state: bytes) -> None:
        """BadPayload: not what ``snapshot`` gave for this model and size."""
        saved = unpack_arrays(state)
        self._buffer.load(saved)
        self._strength.load(saved)
        self._model.load(saved)
        self._last_pts = next((int(pts) for pts in saved.get("last pts", ())), None)

    def _steps(self, frames: Frames, keyframes: tuple[int, ...]) -> Iterator[Step]:
        for place, pts in enumerate(frames.pts):
            self._last_pts = pts
            rgb = convert(frames.pixels[place], self._picture.taken.layout, PixelLayout.RGB24)
            yield from self._buffer.push(Held(pts, rgb, place in keyframes))

    def _chunks(self, steps: Iterable[Step]) -> Iterator[Chunk]:
        """What the runs give, gathered up to the size that one message takes."""
        ready: list[tuple[Held, Pixels]] = []
        for step in steps:
            ready += self._run(step)
            while len(ready) >= self._picture.frames_each:
                yield self._chunk(ready[: self._picture.frames_each])
                del ready[: self._picture.frames_each]
        if ready:
            yield self._chunk(ready)

    def _run(self, step: Step) -> Iterator[tuple[Held, Pixels]]:
        window = _stack([held.pixels for held in step.window])
        made = self._model.run(window, step.kept[0].pts if step.kept else step.window[-1].pts)
        for held, pixels in zip(step.kept, made[step.skip :], strict=False):
            yield held, blend(held.pixels, pixels, self._strength.at(held.pts))

    def _chunk(self, ready: list[tuple[Held, Pixels]]) -> Chunk:
        pts = tuple(held.pts for held, _ in ready)
        keyframes = tuple(place for place, (held, _) in enumerate(ready) if held.keyframe)
        pixels = _stack([made for _, made in ready])
        return Chunk(self._picture.track, Frames(self._picture.given, pts, pixels), keyframes=keyframes)


def _stack(frames: list[Pixels]) -> Pixels:
    """(H, W, 3) each → (T, H, W, 3); one alone is not copied."""
    return frames[0][None] if len(frames) == 1 else np.stack(frames)
