"""One effect in a stream: its parameters over time, its memory, its accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from reelwire import metrics
from reelwire.engines.backend import Array
from reelwire.errors import BadParameter, BadPayload, FailedPrecondition, ReelwireError
from reelwire.media import Dropped, Packets, PixelLayout, Sound
from reelwire.v1.pipeline_pb2 import Notice
from services.editor.changes import Changes, check_fixed
from services.editor.effect import Frame, Output, Place
from services.editor.params import build, specs_of
from services.editor.registry import EffectKind
from services.editor.sound import part_of

CHANGES_KEY, SOUND_KEY, LAST_KEY, MEMORY_PREFIX = "changes", "sound changes", "last pts", "memory "


class Link:
    """Feeds one effect. ``index`` is its place in the stream's list, from 0."""

    def __init__(self, kind: EffectKind, index: int, place: Place, values: Mapping[str, Any]) -> None:
        """Raises BadParameter, and what the effect's files and models raise."""
        self._kind, self._index, self._place = kind, index, place
        self.effect = kind.make(place)
        self._fixed = frozenset(name for name, spec in specs_of(kind.params).items() if spec.fixed)
        self._frames = metrics.EFFECT_FRAMES.labels(kind.name)
        self._agreed: tuple[tuple[int, int], int] | None = None
        try:
            self._changes = Changes(values, self._prepare)
            ready = self._changes.ready
            self._agreed = self.effect.size(ready), self.effect.hold_frames(ready)
            self._sounds = Changes(values, self._prepare) if self.effect.changes_sound else None
        except BaseException:
            self.effect.close()
            raise
        self._last_pts: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what comes out."""
        assert self._agreed is not None
        return self._agreed[0]

    @property
    def hold_frames(self) -> int:
        """Most frames held."""
        assert self._agreed is not None
        return self._agreed[1]

    def feed(self, outputs: Iterable[Output]) -> Iterator[Output]:
        """Frames of the link before, one by one; drops pass."""
        for item in outputs:
            if isinstance(item, Dropped):
                yield item
                continue
            ready = self._changes.at(item.time_s)
            self._last_pts = item.pts
            self._frames.inc()
            yield from self._checked(self.effect.feed(item, ready))

    def flush(self) -> Iterator[Output]:
        """What the effect holds."""
        return self._checked(self.effect.flush())

    def change(self, from_pts: int, values: Mapping[str, Any]) -> None:
        """New parameters from a pts on. BadParameter: they cannot be, or would change what was agreed at the
        stream's start. A pts that has passed: from the next frame on, with a notice."""
        check_fixed(self._fixed, values, self._kind.name)
        if self._last_pts is not None and from_pts <= self._last_pts:
            self._place.notice(
                Notice.KIND_WARNING,
                f'effect "{self._kind.name}" was to change at pts {from_pts}, which has passed: it holds from'
                " the next frame",
            )
            from_pts = self._last_pts + 1
        from_s = from_pts * self._place.video.time_base
        self._changes.add(from_s, values)
        if self._sounds is not None:
            self._sounds.add(from_s, values)

    def sound(self, sound: Sound) -> Iterator[Sound]:
        """The same sound as the effect changes it, cut where parameters change."""
        if self._sounds is None:
            yield sound
            return
        for piece, start_s in _cut(sound, self._sounds):
            ready = self._sounds.at(start_s)
            changed = self.effect.sound(piece, ready)
            if changed is not None and len(changed.samples):
                yield changed

    def packets(self, packets: Packets, time_base: Fraction) -> Packets | None:
        """Sound that passes encoded."""
        if self._sounds is None or not packets.packets:
            return packets
        ready = self._sounds.at(packets.packets[0].pts * time_base)
        return self.effect.packets(packets, time_base, ready)

    def save(self) -> dict[str, Array]:
        """All that it needs to go on."""
        last = [] if self._last_pts is None else [self._last_pts]
        saved: dict[str, Array] = {
            CHANGES_KEY: np.array(self._changes.save()),
            LAST_KEY: np.array(last, np.int64),
            **{MEMORY_PREFIX + name: array for name, array in self.effect.save().items()},
        }
        if self._sounds is not None:
            saved[SOUND_KEY] = np.array(self._sounds.save())
        return saved

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not what it gave."""
        wanted = {CHANGES_KEY, LAST_KEY} | ({SOUND_KEY} if self._sounds is not None else set())
        if not wanted <= saved.keys():
            raise BadPayload(
                f'the saved state holds nothing of effect "{self._kind.name}"; start the stream again'
            )
        self._changes.load(str(saved[CHANGES_KEY]))
        if self._sounds is not None:
            self._sounds.load(str(saved[SOUND_KEY]))
        self._last_pts = next((int(pts) for pts in np.atleast_1d(saved[LAST_KEY])), None)
        memory = {k.removeprefix(MEMORY_PREFIX): saved[k] for k in saved if k.startswith(MEMORY_PREFIX)}
        self.effect.load(memory)

    def _checked(self, outputs: Iterable[Output]) -> Iterator[Output]:
        """What an effect gives has the size that was agreed; an error of it says which one it was."""
        try:
            for item in outputs:
                if isinstance(item, Frame) and item.layout is PixelLayout.RGB24:
                    self._check_shape(item)
                yield item
        except ReelwireError as error:
            if error.field == "":
                error.field = f"effects[{self._index}]"
            raise

    def _check_shape(self, frame: Frame) -> None:
        width, height = self.size
        if frame.shape != (height, width, 3):
            raise FailedPrecondition(
                f'effect "{self._kind.name}" gave {list(frame.shape)}; expected {[height, width, 3]} uint8'
            )

    def _prepare(self, values: Mapping[str, Any]) -> Any:
        name = self._kind.name
        ready = self.effect.prepare(build(self._kind.params, values, name))
        if self._agreed is None:
            return ready
        size, hold = self._agreed
        width, height = self.effect.size(ready)
        if (width, height) != size:
            raise BadParameter(
                f'effect "{name}" would give {width}x{height}, and the stream was agreed with '
                f"{size[0]}x{size[1]}; start another stream for another size",
                field=f"effects[{self._index}]",
            )
        if self.effect.hold_frames(ready) > hold:
            raise BadParameter(
                f'effect "{name}" would hold {self.effect.hold_frames(ready)} frames, and the stream was '
                f"agreed with {hold}; start another stream",
                field=f"effects[{self._index}]",
            )
        return ready


def _cut(sound: Sound, changes: Changes[Any]) -> Iterator[tuple[Sound, Fraction]]:
    """Pieces in which no parameter changes, cut before the first sample at or after a change, each with
    its time."""
    rate, base = sound.format.sample_rate, sound.format.time_base
    done, count, start_s = 0, len(sound.samples), sound.pts * base
    while done < count:
        here_s = start_s + Fraction(done, rate)
        following = changes.next_after(here_s)
        stop = count
        if following is not None:
            stop = min(count, max(done + 1, -((start_s - following) * rate // 1)))
        yield part_of(sound, done, stop), here_s
        done = stop
