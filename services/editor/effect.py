"""What an effect sees and gives. An effect is one file in ``effects/``; this is all that it needs to know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from reelwire.engines.backend import Array
from reelwire.media import Dropped, PixelLayout, Pixels, Sound, VideoFormat, read_only
from reelwire.media import Packets as SoundPackets
from reelwire.models.loading import LoadedModel
from reelwire.pixels import convert
from reelwire.v1.pipeline_pb2 import Notice
from services.editor.assets import Assets

ParamsT = TypeVar("ParamsT")
ReadyT = TypeVar("ReadyT")


class Frame:
    """One picture with its time. ``time_s`` is exact, counted from the stream's own zero.

    ``keyframe``: a GOP must start here. What is kept beyond the call that brought it must be ``kept()``.
    """

    __slots__ = ("_raw", "_rgb", "keyframe", "layout", "pts", "time_s")

    def __init__(
        self, pts: int, time_s: Fraction, raw: Pixels, layout: PixelLayout, *, keyframe: bool = False
    ) -> None:
        self.pts = pts
        self.time_s = time_s
        self.layout = layout
        self.keyframe = keyframe
        self._raw = raw
        self._rgb = read_only(raw) if layout is PixelLayout.RGB24 else None

    @property
    def pixels(self) -> Pixels:
        """(H, W, 3) uint8 RGB, read-only. Converted when first asked for: a frame that no effect touches
        is passed on as it came."""
        if self._rgb is None:
            self._rgb = read_only(convert(self._raw, self.layout, PixelLayout.RGB24))
        return self._rgb

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels in ``layout``."""
        return self._raw.shape

    def showing(self, rgb: Pixels) -> Frame:
        """The same frame with other pixels, (H, W, 3) uint8 RGB; itself where they are its own."""
        if rgb is self._rgb:
            return self
        return Frame(self.pts, self.time_s, rgb, PixelLayout.RGB24, keyframe=self.keyframe)

    def kept(self) -> Frame:
        """A copy that may be kept: the memory under a frame is used again."""
        return Frame(self.pts, self.time_s, self._raw.copy(), self.layout, keyframe=self.keyframe)

    def in_layout(self, layout: PixelLayout) -> Pixels:
        """The pixels in another layout; as they came where it is that one."""
        if layout is self.layout:
            return self._raw
        return convert(self._raw, self.layout, layout)


Output = Frame | Dropped
"""What an effect gives for what it was fed, in order."""


@dataclass(frozen=True)
class Place:
    """Where an effect works, in one stream.

    ``video``: the frames that it will be fed, as RGB24. ``open_model`` loads a model once for the process;
    raises as ``ModelLibrary.open``. ``notice`` tells the caller something in one line.
    """

    video: VideoFormat
    assets: Assets
    open_model: Callable[[str], LoadedModel]
    notice: Callable[[Notice.Kind, str], None]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.video.width, self.video.height


class StreamEffect(ABC, Generic[ParamsT, ReadyT]):
    """An effect that needs more than one frame and its parameters: files, a model, memory, sound.

    One for each stream. ``prepare`` turns parameters into what ``feed`` works with (the parameters
    themselves, a drawn text, a table), once for each change, when the change is announced.
    """

    changes_sound = False
    """True where ``sound`` does something."""
    resumable = True
    """True where ``save`` gives all of its memory."""

    def __init__(self, place: Place) -> None:
        self.place = place

    @abstractmethod
    def prepare(self, params: ParamsT) -> ReadyT:
        """What ``feed`` needs of these parameters. Raises BadParameter with the parameter as field, and
        what the files and models it needs raise."""

    @abstractmethod
    def feed(self, frame: Frame, ready: ReadyT) -> Iterable[Output]:
        """Takes the next frame; gives what is ready."""

    def flush(self) -> Iterable[Output]:
        """No more frames: gives what is held."""
        return ()

    def size(self, ready: ReadyT) -> tuple[int, int]:
        """Width and height of what comes out, in pixels; the same for a whole stream."""
        return self.place.size

    def hold_frames(self, ready: ReadyT) -> int:
        """Most frames that may lie between a frame in and the same one out."""
        return 0

    def models(self) -> tuple[LoadedModel, ...]:
        """The models that it runs, after ``prepare``."""
        return ()

    def sound(self, sound: Sound, ready: ReadyT) -> Sound | None:
        """The same sound changed; None: cut."""
        return sound

    def packets(self, packets: SoundPackets, time_base: Fraction, ready: ReadyT) -> SoundPackets | None:
        """Sound that passes encoded; None: cut."""
        return packets

    def save(self) -> dict[str, Array]:
        """Its memory."""
        return {}

    def load(self, saved: Mapping[str, Array]) -> None:
        """Goes on from ``save()``. BadPayload: not such arrays."""

    def close(self) -> None:
        """Frees what it holds."""


class FunctionEffect(StreamEffect[ParamsT, ParamsT]):
    """A plain function on one frame, as an effect."""

    def __init__(self, place: Place, apply: Callable[[Frame, ParamsT], Frame]) -> None:
        super().__init__(place)
        self._apply = apply

    def prepare(self, params: ParamsT) -> ParamsT:
        """The parameters themselves."""
        return params

    def feed(self, frame: Frame, ready: ParamsT) -> Iterable[Output]:
        """What the function gives."""
        return (self._apply(frame, ready),)
