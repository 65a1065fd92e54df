"""Value types of what travels: formats, payloads, chunks. No I/O, no gRPC, no clock.

Pixels are read-only NumPy views, ``(T, H, W, 3) uint8`` for RGB24 and ``(T, H * 3 // 2, W) uint8`` for
I420 (planes Y, U, V, BT.709 limited range, even sizes). Sound is ``(N, channels) float32``, nominal
range -1 to 1. Time is an integer pts in ticks of a ``Fraction`` of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32]


class PixelLayout(IntEnum):
    """How raw pixels lie in memory; numbers as in media.proto."""

    RGB24 = 1
    I420 = 2


class PayloadKind(IntEnum):
    """What a track carries; numbers as in media.proto."""

    FRAMES = 1
    SOUND = 2
    PACKETS = 3
    CONTAINER_BYTES = 4
    TEXT = 5
    TENSOR = 6
    SIDE_DATA = 7


class DropReason(IntEnum):
    """Why frames are missing; numbers as in media.proto."""

    LATE = 1
    OVERLOAD = 2
    TRIMMED = 3
    RATE = 4
    UNDECODABLE = 5
    ERROR = 6

    @property
    def failed(self) -> bool:
        """True where the accounts say "failed" and not "dropped"."""
        return self in (DropReason.UNDECODABLE, DropReason.ERROR)


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Raw pictures. ``frame_rate`` and ``sample_aspect`` are 0 when not known; neither decides timing."""

    width: int
    height: int
    time_base: Fraction
    layout: PixelLayout = PixelLayout.RGB24
    frame_rate: Fraction = Fraction(0)
    sample_aspect: Fraction = Fraction(0)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame's array."""
        if self.layout is PixelLayout.I420:
            return (self.height * 3 // 2, self.width)
        return (self.height, self.width, 3)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.width * self.height * 3 // (2 if self.layout is PixelLayout.I420 else 1)


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """Raw sound. ``layout`` is FFmpeg's name: "mono", "stereo", "5.1"."""

    sample_rate: int
    layout: str
    channel_count: int
    time_base: Fraction


@dataclass(frozen=True, slots=True)
class PacketFormat:
    """Encoded packets; exactly one of ``video`` and ``sound`` is set."""

    codec: str
    time_base: Fraction
    extradata: bytes = b""
    video: VideoFormat | None = None
    sound: SoundFormat | None = None
    initial_padding_samples: int = 0


@dataclass(frozen=True, slots=True)
class ContainerFormat:
    """Bytes of a file or stream; ``name`` is FFmpeg's name of the container or empty."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A prompt; pts in milliseconds unless said otherwise."""

    time_base: Fraction = Fraction(1, 1000)


TrackFormat = VideoFormat | SoundFormat | PacketFormat | ContainerFormat | TextFormat


@dataclass(frozen=True, slots=True)
class Offer:
    """What one track will carry.

    ``layouts`` says, for frames, which layouts the sender can give, the preferred first; once agreed it
    holds exactly one and ``format.layout`` equals it. ``expected_*`` serve progress only; 0: not known.
    """

    track: int
    kind: PayloadKind
    format: TrackFormat
    layouts: tuple[PixelLayout, ...] = ()
    expected_frames: int = 0
    expected_duration_us: int = 0

    @property
    def video(self) -> VideoFormat:
        """The format of a FRAMES track; TypeError for any other."""
        if not isinstance(self.format, VideoFormat):
            raise TypeError(f"track {self.track} carries {self.kind.name}, not FRAMES")
        return self.format

    def settled(self, layout: PixelLayout) -> Offer:
        """The same offer with its layout agreed."""
        return replace(self, layouts=(layout,), format=replace(self.video, layout=layout))


@dataclass(frozen=True, slots=True)
class Frames:
    """Contiguous raw frames: ``pixels`` is ``(T, *format.frame_shape) uint8``, ``pts`` has T entries."""

    format: VideoFormat
    pts: tuple[int, ...]
    pixels: Pixels

    def __len__(self) -> int:
        return len(self.pts)

    def __getitem__(self, part: slice) -> Frames:
        return Frames(self.format, self.pts[part], self.pixels[part])


@dataclass(frozen=True, slots=True)
class Sound:
    """Contiguous samples: ``samples`` is ``(N, channel_count) float32``; ``pts`` is the first one's."""

    format: SoundFormat
    pts: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture or piece of sound; ``pts``, ``dts``, ``duration`` in the track's ticks."""

    pts: int
    dts: int
    duration: int
    keyframe: bool
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Packets:
    """Encoded packets in dts order."""

    packets: tuple[Packet, ...]


@dataclass(frozen=True, slots=True)
class ContainerBytes:
    """The next bytes of a container. ``frame_count``: pictures whose packets were written since the piece
    before; it serves the accounts of the stage that muxes and does not travel."""

    data: bytes | memoryview
    frame_count: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt that holds from ``pts`` on."""

    text: str
    pts: int = 0


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array for a model."""

    name: str
    pts: int
    array: npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class SideData:
    """JSON about the frame at ``pts``."""

    json: str
    pts: int


Payload = Frames | Sound | Packets | ContainerBytes | Text | Tensor | SideData

KIND_OF: dict[type, PayloadKind] = {
    Frames: PayloadKind.FRAMES,
    Sound: PayloadKind.SOUND,
    Packets: PayloadKind.PACKETS,
    ContainerBytes: PayloadKind.CONTAINER_BYTES,
    Text: PayloadKind.TEXT,
    Tensor: PayloadKind.TENSOR,
    SideData: PayloadKind.SIDE_DATA,
}


@dataclass(frozen=True, slots=True)
class Dropped:
    """``count`` frames that will not come, from ``first_pts`` to ``last_pts``. ``stage`` is set by the
    runtime; a stage leaves it empty."""

    count: int
    reason: DropReason
    first_pts: int
    last_pts: int
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a stage is fed and what it gives.

    ``payload`` is None where only drops are told. ``dropped``: from a stage, the frames that *it*
    dropped before this payload. ``made_frames``: how many of the payload's frames had no input frame of
    their own (repeated, generated). ``keyframes``: indexes of frames that must start a GOP.
    """

    track: int
    payload: Payload | None
    dropped: tuple[Dropped, ...] = ()
    made_frames: int = 0
    keyframes: tuple[int, ...] = field(default=())

    @property
    def frame_count(self) -> int:
        """Raw frames, packets, or pictures inside container bytes; 0 for all else."""
        match self.payload:
            case Frames():
                return len(self.payload)
            case Packets():
                return len(self.payload.packets)
            case ContainerBytes():
                return self.payload.frame_count
        return 0


def read_only(array: Pixels) -> Pixels:
    """A read-only view of the same memory."""
    view = array.view()
    view.flags.writeable = False
    return view


def split_frames(chunk: Chunk, frames_each: int) -> Iterator[Chunk]:
    """The same frames in chunks of at most ``frames_each``; drops go with the first, ``made_frames``
    with the first as well. A chunk that is small enough or carries no frames comes back as it is."""
    frames = chunk.payload
    if not isinstance(frames, Frames) or len(frames) <= frames_each:
        yield chunk
        return
    for start in range(0, len(frames), frames_each):
        stop = min(start + frames_each, len(frames))
        keyframes = tuple(k - start for k in chunk.keyframes if start <= k < stop)
        part = replace(chunk, payload=frames[start:stop], keyframes=keyframes)
        yield part if start == 0 else replace(part, dropped=(), made_frames=0)
