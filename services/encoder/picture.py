"""Frames → encoded packets with the frames' own pts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from av.video.frame import PictureType

from reelwire import metrics
from reelwire.errors import TooLarge
from reelwire.media import Frames, Packet, PacketFormat, PixelLayout, VideoFormat
from reelwire.pixels import convert, even, to_video_frame
from services.encoder.codecs import Choice, codec_configuration, measured_lag_frames, open_encoder

BITRATE_WINDOW_FRAMES = 100
REMEMBERED_FRAMES = 1024
MAX_KEYFRAMES_AHEAD = 1024


class PictureEncoder:
    """One track of pictures. A packet's duration is the distance to the frame before it, so that it does not
    depend on when the next one comes."""

    def __init__(self, choice: Choice, video: VideoFormat) -> None:
        """``video``: what comes in; RGB24 of odd size is padded. CodecMissing: the encoder does not open."""
        self._choice = choice
        self.video = replace(
            video, width=even(video.width), height=even(video.height), layout=PixelLayout.I420
        )
        self._context = open_encoder(choice, self.video)
        self._nominal = round(1 / (video.frame_rate * video.time_base)) if video.frame_rate else 1
        self._durations: dict[int, int] = {}
        self._last_pts: int | None = None
        self._keyframe_pts: set[int] = set()
        self._recent: deque[tuple[int, int]] = deque(maxlen=BITRATE_WINDOW_FRAMES)
        self.hold_frames = measured_lag_frames(choice)

    @property
    def format(self) -> PacketFormat:
        """What the packets are."""
        return PacketFormat(
            codec=self._choice.kind.codec,
            time_base=self.video.time_base,
            extradata=codec_configuration(self._choice, self.video),
            video=self.video,
        )

    def keyframe_from(self, pts: int) -> None:
        """The first frame at or after ``pts`` starts a GOP. TooLarge: too many wait."""
        if len(self._keyframe_pts) >= MAX_KEYFRAMES_AHEAD and pts not in self._keyframe_pts:
            raise TooLarge(f"{MAX_KEYFRAMES_AHEAD} keyframes are waiting; ask for them nearer to their pts")
        self._keyframe_pts.add(pts)

    def encode(self, frames: Frames, keyframes: Iterable[int] = ()) -> list[Packet]:
        """Packets that are ready, in dts order. ``keyframes``: indexes that must start a GOP."""
        forced = set(keyframes)
        packets: list[Packet] = []
        for index, pts in enumerate(frames.pts):
            pixels = convert(frames.pixels[index], frames.format.layout, PixelLayout.I420)
            frame = to_video_frame(pixels, PixelLayout.I420)
            frame.pts, frame.time_base = pts, self.video.time_base
            if self._is_forced(pts) or index in forced:
                frame.pict_type = PictureType.I
            self._remember(pts)
            packets += self._packets(self._context.encode(frame))
        return packets

    def flush(self) -> list[Packet]:
        """The frames that were held."""
        return self._packets(self._context.encode(None))

    def _is_forced(self, pts: int) -> bool:
        due = {asked for asked in self._keyframe_pts if asked <= pts}
        self._keyframe_pts -= due
        return bool(due)

    def _remember(self, pts: int) -> None:
        self._durations[pts] = pts - self._last_pts if self._last_pts is not None else self._nominal
        self._last_pts = pts
        if len(self._durations) > REMEMBERED_FRAMES:
            del self._durations[next(iter(self._durations))]

    def _packets(self, given: Iterable[Any]) -> list[Packet]:
        packets = []
        for packet in given:
            pts = int(packet.pts)
            duration = self._durations.pop(pts, self._nominal)
            packets.append(Packet(pts, int(packet.dts), duration, bool(packet.is_keyframe), bytes(packet)))
            self._recent.append((duration, packet.size))
        if packets:
            seconds = float(sum(ticks for ticks, _ in self._recent) * self.video.time_base)
            bits = 8 * sum(size for _, size in self._recent)
            if seconds > 0:
                metrics.ENCODER_BITRATE.labels(self._choice.kind.codec).set(bits / seconds)
        return packets
