"""One stream through its effects, in order: the adapter that makes them a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from reelwire.errors import BadParameter, BadPayload
from reelwire.media import (
    Chunk,
    Dropped,
    Frames,
    PacketFormat,
    Packets,
    Pixels,
    Sound,
    VideoFormat,
    read_only,
)
from reelwire.models.recurrent import pack_arrays, unpack_arrays
from reelwire.stage import PassThrough
from reelwire.v1.pipeline_pb2 import Control
from services.editor.effect import Frame, Output
from services.editor.link import Link
from services.editor.params import values_of

OWNER_KEY = "effects"


@dataclass(frozen=True)
class Tracks:
    """``picture`` is the track whose frames are worked on; ``packets`` the tracks with encoded sound.
    ``frames_each``: most frames in one chunk that is given."""

    picture: int
    taken: VideoFormat
    given: VideoFormat
    frames_each: int
    packets: dict[int, PacketFormat] = field(default_factory=dict)


class EffectStage(PassThrough):
    """Gives each frame of one track once, through all effects, or says that it was dropped. Sound goes
    through those that change it; all other tracks untouched."""

    def __init__(
        self, tracks: Tracks, links: Sequence[Link], names: Sequence[str], release: Callable[[], None]
    ) -> None:
        """``release`` gives back what the effects opened."""
        self._release = release
        self._tracks = tracks
        self._links = links
        self._owner = [*names, f"{tracks.taken.width}x{tracks.taken.height}"]

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """BadPayload: frames of another size than was agreed."""
        chunk = replace(chunk, dropped=())
        match chunk.payload:
            case Frames() if chunk.track == self._tracks.picture:
                self._check(chunk.payload)
                came = self._frames(chunk.payload, chunk.keyframes)
                outputs: Iterable[Output] = came
                for link in self._links:
                    outputs = link.feed(outputs)
                return self._chunks(outputs, came, chunk.payload.pixels)
            case Sound():
                return self._sound(chunk, chunk.payload)
            case Packets() if chunk.track in self._tracks.packets:
                return self._packets(chunk, chunk.payload)
        return (chunk,)

    def flush(self) -> Iterable[Chunk]:
        """The frames that effects hold; each effect's go through those after it."""
        for place, link in enumerate(self._links):
            outputs: Iterable[Output] = link.flush()
            for later in self._links[place + 1 :]:
                outputs = later.feed(outputs)
            yield from self._chunks(outputs)

    def control(self, control: Control) -> None:
        """Parameters of one effect from a pts on. BadParameter: another change, no such effect, or values
        that cannot be."""
        change = control.WhichOneof("change")
        if change != "effect":
            raise BadParameter(f'the editor has no "{change}" to change; expected "effect"', field="change")
        index = control.effect.index
        if not 0 <= index < len(self._links):
            raise BadParameter(
                f"effect index {index}: the stream has {len(self._links)} effects; expected 0 to "
                f"{len(self._links) - 1}",
                field="index",
            )
        self._links[index].change(control.from_pts, values_of(control.effect.params))

    def snapshot(self) -> bytes | None:
        """Parameters and memory of every effect, in NumPy's .npz format; None where one cannot be saved."""
        if not all(link.effect.resumable for link in self._links):
            return None
        saved = {OWNER_KEY: np.array(self._owner)}
        for place, link in enumerate(self._links):
            saved |= {f"{place} {name}": array for name, array in link.save().items()}
        return pack_arrays(saved)

    def restore(self, state: bytes) -> None:
        """BadPayload: not what ``snapshot`` gave for these effects and this size."""
        saved = unpack_arrays(state)
        owner = [str(part) for part in np.atleast_1d(saved.get(OWNER_KEY, ()))]
        if owner != self._owner:
            raise BadPayload(
                f"the saved state is of {owner or 'no effects'}, expected {self._owner}; start the stream "
                "again"
            )
        for place, link in enumerate(self._links):
            prefix = f"{place} "
            link.load({k.removeprefix(prefix): saved[k] for k in saved if k.startswith(prefix)})

    def close(self) -> None:
        """Frees what the effects hold, also after one of them failed to."""
        with ExitStack() as freeing:
            freeing.callback(self._release)
            for link in self._links:
                freeing.callback(link.effect.close)

    def _check(self, frames: Frames) -> None:
        taken = self._tracks.taken
        if frames.pixels.shape[1:] != taken.frame_shape:
            raise BadPayload(
                f"got {list(frames.pixels.shape[1:])}, expected frames of {taken.width}x{taken.height} "
                f"{taken.layout.name}"
            )

    def _frames(self, frames: Frames, keyframes: tuple[int, ...]) -> list[Frame]:
        taken = self._tracks.taken
        return [
            Frame(pts, pts * taken.time_base, frames.pixels[place], taken.layout, keyframe=place in keyframes)
            for place, pts in enumerate(frames.pts)
        ]

    def _chunks(
        self, outputs: Iterable[Output], came: Sequence[Frame] = (), fed: Pixels | None = None
    ) -> Iterator[Chunk]:
        """What comes out, gathered up to the size that one message takes; drops go before what follows.
        ``came`` are the frames that were fed and ``fed`` the one array of all of them."""
        ready: list[Frame] = []
        lost: list[Dropped] = []
        for item in outputs:
            if isinstance(item, Frame):
                ready.append(item)
            if ready and (isinstance(item, Dropped) or len(ready) >= self._tracks.frames_each):
                yield self._chunk(ready, lost)
                ready, lost = [], []
            if isinstance(item, Dropped):
                _count(lost, item)
        if (
            fed is not None
            and not lost
            and _same(ready, came)
            and ready[0].layout is self._tracks.given.layout
        ):
            yield self._chunk(ready, lost, fed)
        elif ready or lost:
            yield self._chunk(ready, lost)

    def _chunk(self, ready: list[Frame], lost: list[Dropped], stacked: Pixels | None = None) -> Chunk:
        track = self._tracks.picture
        if not ready:
            return Chunk(track, None, tuple(lost))
        given = self._tracks.given
        if stacked is None:
            stacked = _stack([frame.in_layout(given.layout) for frame in ready])
        keyframes = tuple(place for place, frame in enumerate(ready) if frame.keyframe)
        payload = Frames(given, tuple(frame.pts for frame in ready), stacked)
        return Chunk(track, payload, tuple(lost), keyframes=keyframes)

    def _sound(self, chunk: Chunk, sound: Sound) -> Iterator[Chunk]:
        pieces: Iterable[Sound] = (sound,)
        for link in self._links:
            pieces = [changed for piece in pieces for changed in link.sound(piece)]
        for piece in pieces:
            yield replace(chunk, payload=piece)

    def _packets(self, chunk: Chunk, packets: Packets) -> Iterator[Chunk]:
        time_base = self._tracks.packets[chunk.track].time_base
        left: Packets | None = packets
        for link in self._links:
            left = left and link.packets(left, time_base)
        if left is not None and left.packets:
            yield replace(chunk, payload=left)


def _count(lost: list[Dropped], item: Dropped) -> None:
    """Adds to what was lost; frames lost one after another for one reason are told as one."""
    if lost and lost[-1].reason is item.reason:
        last = lost.pop()
        item = replace(last, count=last.count + item.count, last_pts=item.last_pts)
    lost.append(item)


def _same(ready: Sequence[Frame], came: Sequence[Frame]) -> bool:
    """True where no effect touched anything: then nothing is copied."""
    return len(ready) == len(came) > 0 and all(a is b for a, b in zip(ready, came, strict=True))


def _stack(pixels: list[Pixels]) -> Pixels:
    """(H, W, 3) each, or I420 → one array with a frame axis; one alone is not copied."""
    return read_only(pixels[0][None] if len(pixels) == 1 else np.stack(pixels))
