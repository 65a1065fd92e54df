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
from reelwire.v1.pipeline_pb2 import Control, EngineChange, Notice
from services.generator.engine_change import EngineMove, check_engine
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


@dataclass(frozen=True)
class Surroundings:
    """What a stream's stage needs of its process. ``make_on`` loads the stream's model version on another
    engine, ``release`` gives its models back, ``notice`` tells the caller something in one line."""

    make_on: Callable[[EngineChange], FrameModel]
    release: Callable[[], None]
    notice: Callable[[Notice.Kind, str], None]


class PictureStage(PassThrough):
    """Gives each frame of one track once, as the model made it; all other tracks untouched."""

    def __init__(
        self,
        picture: Picture,
        model: FrameModel,
        window: Window,
        strength: float,
        stream: Surroundings,
    ) -> None:
        self._picture = picture
        self._model = model
        self._buffer = WindowBuffer(window)
        self._strength = StrengthTimeline(strength)
        self._notice = stream.notice
        self._move = EngineMove(stream.make_on, stream.notice)
        self._release = stream.release
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
        """Strength, or the engine, from a pts on. BadParameter: another change, not 0 to 1, or no engine's
        name. BackendMissing, DeviceMissing: that engine cannot run here."""
        change = control.WhichOneof("change")
        if change == "strength":
            self._strength.change(self._from(control, "strength"), control.strength)
        elif change == "engine":
            check_engine(control.engine)
            self._move.ask(self._from(control, "the engine"), control.engine)
        else:
            raise BadParameter(
                f'the generator has no "{change}" to change; expected "strength" or "engine"', field="change"
            )

    def close(self) -> None:
        """Gives the model back."""
        self._move.close()
        self._model.close()
        self._release()

    def _from(self, control: Control, what: str) -> int:
        """The pts that was named, or the next one where that has passed."""
        from_pts = control.from_pts
        if self._last_pts is None or from_pts > self._last_pts:
            return from_pts
        text = f"{what} was to change at pts {from_pts}, which has passed: it holds from the next frame"
        self._notice(Notice.KIND_WARNING, text)
        return self._last_pts + 1

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
        pts = step.kept[0].pts if step.kept else step.window[-1].pts
        self._model = self._move.due(pts, self._model)
        made = self._model.run(window, pts)
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
