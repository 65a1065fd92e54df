"""Demuxes and decodes: pictures and sound in the order of the container, damage counted, never a crash.

Decoders run on one thread each: the result, and which packet is refused, depend on no timing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from reelwire.errors import InputDamaged, ReelwireError, TooLarge, Unavailable
from reelwire.settings import Settings
from services.preprocess.opened import OpenInput, check_pixels, reason_of
from services.preprocess.pacing import IdleClock

PICTURE, SOUND = 0, 1  # tracks
MAX_AHEAD_PACKETS = 4096  # looked through for the first frame of each track
MAX_AHEAD_BYTES = 64 << 20
SEEK_EARLIER_S = (0, 2, 10, 60)  # then from the start
REORDERING_S = 10  # by no more the first packet's dts lies before the first pts
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders give no transparency


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame (``av.VideoFrame``, ``av.AudioFrame``), or for sound that is passed through an ``av.Packet``.
    ``pts`` in the stream's ticks, None where the container has none."""

    track: int
    frame: Any
    pts: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A packet that the decoder refused."""

    track: int
    pts: int | None


Item = Decoded | Refused


@dataclass(slots=True)
class _Step:
    track: int
    packet: Any
    items: list[Item] | None = None


class Reader:
    """One pass over an input. ``picture``, ``sound``: the streams used; None: not."""

    def __init__(
        self, opened: OpenInput, settings: Settings, *, mute: bool = False, passthrough: bool = False
    ) -> None:
        self._idle: IdleClock | None = None
        self._settings = settings
        self._opened = opened
        self._passthrough = passthrough
        self.picture = opened.picture
        self.sound = None if mute else opened.sound
        self.ended_early = ""
        self.refused_sound_count = 0
        self._wrong_argument = False
        self._tracks = {
            stream.index: track
            for track, stream in ((PICTURE, self.picture), (SOUND, self.sound))
            if stream is not None
        }
        for stream in (self.picture, self.sound):
            if stream is not None:
                stream.codec_context.thread_count = 1
        self._sizeless = False
        self._decoder: Any = None  # of the picture, where it is not the stream's own
        if self.picture is not None:
            self._sizeless = not self.picture.codec_context.width
            self._decoder = _alpha_decoder(self.picture)
            context = self._decoder or self.picture.codec_context
            context.options = {"max_pixels": str(settings.max_frame_pixels)}
        self._streams = [stream for stream in (self.picture, self.sound) if stream is not None]
        self._packets = opened.container.demux(self._streams)
        self._ahead: deque[_Step] = deque()
        self._left_out: set[int] = set()
        self._met_frames = 0

    def no_picture(self) -> ReelwireError:
        """Why there is no picture. A decoder that is asked for too large a frame allocates nothing, calls the
        size a wrong argument and does not tell it; damage can look the same where the size was known."""
        limit = self._settings.max_frame_pixels
        if self._sizeless and self._wrong_argument:
            return TooLarge(
                f"{self._opened.name}: its frames have more than {limit} pixels; "
                "scale it down first, or raise REELWIRE_MAX_FRAME_PIXELS",
                field="input",
            )
        hint = f"; it has no size, or one over REELWIRE_MAX_FRAME_PIXELS ({limit})" if self._sizeless else ""
        return InputDamaged(f"{self._opened.name}: no picture could be decoded{hint}")

    def count_idle(self, idle: IdleClock) -> None:
        """From here on, waiting for the next packet counts as idle: for inputs that come as they happen."""
        self._idle = idle

    def seek(self, to_s: Fraction) -> None:
        """To a keyframe at or before ``to_s`` seconds of the container's own time, where the input can; else
        it is read on from where it is. Containers without an index (MPEG-TS) seek to any frame: then from
        further back."""
        stream = self.picture or self.sound
        assert stream is not None
        first_s = Fraction(stream.time_base) * int(stream.start_time or 0)
        places_s = [max(first_s, to_s - earlier_s) for earlier_s in SEEK_EARLIER_S]
        if not self._go_to(places_s[0], stream) or self._starts_by(to_s):
            return
        for at_s in places_s[1:]:
            if self._go_to(at_s, stream) and self._starts_by(to_s):
                return
        self._go_to(first_s - REORDERING_S, stream)

    def _go_to(self, at_s: Fraction, stream: Any) -> bool:
        """False: the input cannot."""
        try:
            self._opened.container.seek(int(at_s / stream.time_base), stream=stream)
        except (av.FFmpegError, OSError):
            return False
        if self._decoder is not None:
            self._decoder.flush_buffers()
        self._ahead.clear()
        self._packets = self._opened.container.demux(self._streams)
        return True

    def _starts_by(self, to_s: Fraction) -> bool:
        """The next keyframe is not after ``to_s``. Pictures before it are left out: they need others."""
        if self.picture is None:
            return True
        for count, step in enumerate(self._look_ahead()):
            if step.track == PICTURE:
                if step.packet.is_keyframe:
                    return step.packet.pts is None or step.packet.pts * self.picture.time_base <= to_s
                self._ahead.pop()
            if count >= MAX_AHEAD_PACKETS:
                break
        return False

    def leave_out(self, track: int) -> None:
        """No more of this track: its packets are neither decoded nor counted from here on."""
        self._left_out.add(track)

    @property
    def is_done(self) -> bool:
        """Every track was left out."""
        return self._left_out >= set(self._tracks.values())

    def first(self, track: int) -> Decoded | None:
        """The first frame of a track, without taking it. None: none within what may be looked through.

        InputDamaged: the input ends before anything could be decoded, TooLarge: a frame over the limit.
        """
        size_bytes = 0
        for count, step in enumerate(self._look_ahead()):
            size_bytes += step.packet.size
            if step.track == track:
                found = next((i for i in self._items(step) if isinstance(i, Decoded)), None)
                if found is not None:
                    return found
            if count >= MAX_AHEAD_PACKETS or size_bytes > MAX_AHEAD_BYTES:
                return None
        return None

    def __iter__(self) -> Iterator[Item]:
        """Everything, in the order of the container."""
        for step in self._take():
            if step.track in self._left_out:
                continue
            yield from self._items(step)

    def _look_ahead(self) -> Iterator[_Step]:
        yield from tuple(self._ahead)
        for packet in self._demux():
            step = _Step(self._tracks[packet.stream.index], packet)
            self._ahead.append(step)
            yield step

    def _take(self) -> Iterator[_Step]:
        while self._ahead:
            yield self._ahead.popleft()
        for packet in self._demux():
            yield _Step(self._tracks[packet.stream.index], packet)

    def _demux(self) -> Iterator[Any]:
        try:
            while (packet := self._next_packet()) is not None:
                yield packet
        except (av.FFmpegError, OSError) as error:
            self._broken(error)

    def _next_packet(self) -> Any | None:
        if self._idle is None:
            return next(self._packets, None)
        return self._idle.during(lambda: next(self._packets, None))

    def _broken(self, error: Exception) -> None:
        """The container cannot be read on. A file is used as far as it goes; a connection that broke is an
        error, since nobody would notice what is missing; a feed that fell silent has ended."""
        reason = reason_of(error)
        if not self._met_frames:
            raise InputDamaged(f"{self._opened.name} cannot be read: {reason}") from None
        if self._opened.connection == "stream":
            raise Unavailable(f"{self._opened.name} broke off: {reason}") from None
        self.ended_early = reason

    def _items(self, step: _Step) -> list[Item]:
        if step.items is None:
            step.items = self._decode(step.track, step.packet)
        return step.items

    def _decode(self, track: int, packet: Any) -> list[Item]:
        if track == SOUND and self._passthrough:
            return [Decoded(track, packet, packet.pts)] if packet.size else []
        items: list[Item] = []
        try:
            own = self._decoder if track == PICTURE else None
            for frame in packet.decode() if own is None else own.decode(packet):
                if track == PICTURE:
                    check_pixels(frame.width, frame.height, self._settings)
                items.append(Decoded(track, frame, frame.pts))
        except av.FFmpegError as error:
            self._wrong_argument |= track == PICTURE and isinstance(error, av.error.ArgumentError)
            if packet.size:
                items.append(Refused(track, packet.pts))
                self.refused_sound_count += track == SOUND
        self._met_frames += len(items)
        return items


def _alpha_decoder(stream: Any) -> Any | None:
    """What decodes the transparency that WebM keeps beside a picture; None: there is none, or no decoder."""
    name = ALPHA_DECODERS.get(stream.codec_context.name, "")
    if stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return None
    decoder: Any = av.CodecContext.create(name, "r")
    decoder.thread_count = 1
    return decoder
