"""Runs the encoder's stage by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from reelwire.media import (
    Chunk,
    ContainerBytes,
    Offer,
    Packet,
    Packets,
    PayloadKind,
    Sound,
    SoundFormat,
    VideoFormat,
)
from reelwire.mux import Muxer
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening
from reelwire.testing import frames
from reelwire.v1.config_pb2 import StreamConfig
from services.encoder.stage import EncoderFactory

RATE = 48_000


class Encoding:
    """An open stage, and what it negotiated."""

    def __init__(self, config: StreamConfig, offers: Sequence[Offer]) -> None:
        self.returns: tuple[Offer, ...] = ()
        self.notices: list[str] = []

        def negotiate(given: Sequence[Offer], models: object = ()) -> tuple[Offer, ...]:
            self.returns = tuple(given)
            return tuple(given)

        opening = Opening(
            "test", config, tuple(offers), negotiate, lambda kind, text: self.notices.append(text)
        )
        self.opened: Opened = EncoderFactory(Settings()).open(opening)

    def run(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        stage = self.opened.stage
        given = [out for chunk in chunks for out in stage.feed(chunk)]
        given += list(stage.flush())
        stage.close()
        return given


def picture_offer(video: VideoFormat) -> Offer:
    return Offer(0, PayloadKind.FRAMES, video, (video.layout,))


def sound_offer(channels: int = 1, rate: int = RATE) -> Offer:
    layout = {1: "mono", 2: "stereo"}[channels]
    return Offer(1, PayloadKind.SOUND, SoundFormat(rate, layout, channels, Fraction(1, rate)))


def clicks(seconds: float, offer: Offer, *, first_pts: int = 0, piece: int = 1000) -> list[Chunk]:
    """Silence with a short click at every half second, in pieces of ``piece`` samples."""
    format_ = offer.format
    assert isinstance(format_, SoundFormat)
    samples = np.zeros((int(seconds * format_.sample_rate), format_.channel_count), np.float32)
    tone = np.sin(np.arange(200) * 0.5).astype(np.float32)[:, None] * 0.8
    for start in range(0, len(samples) - 200, format_.sample_rate // 2):
        samples[start : start + 200] = tone
    return [
        Chunk(1, Sound(format_, first_pts + at, samples[at : at + piece]))
        for at in range(0, len(samples), piece)
    ]


def pictures(count: int, video: VideoFormat, *, chunk_frames: int = 1, pts_step: int = 1) -> list[Chunk]:
    return [Chunk(0, each) for each in frames(count, video, chunk_frames=chunk_frames, pts_step=pts_step)]


def packets_of(chunks: Iterable[Chunk], track: int = 0) -> list[Packet]:
    return [
        packet
        for chunk in chunks
        if chunk.track == track and isinstance(chunk.payload, Packets)
        for packet in chunk.payload.packets
    ]


def bytes_of(chunks: Iterable[Chunk]) -> bytes:
    return b"".join(
        bytes(chunk.payload.data) for chunk in chunks if isinstance(chunk.payload, ContainerBytes)
    )


def write(path: Path, encoding: Encoding, chunks: Iterable[Chunk]) -> Path:
    muxer = Muxer(path, encoding.returns, metadata={})
    for chunk in encoding.run(chunks):
        muxer.write(chunk)
    muxer.finish()
    return path


def seconds_of(path: Path | str) -> list[Fraction]:
    """Presentation time of each picture of a file, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [Fraction(frame.pts) * Fraction(stream.time_base) for frame in container.decode(stream)]


def heard(path: Path) -> tuple[float, np.ndarray]:
    """When the sound starts, in seconds, and its first channel."""
    with av.open(str(path)) as container:
        decoded = list(container.decode(container.streams.audio[0]))
        start = float(decoded[0].pts * decoded[0].time_base)
        return start, np.concatenate([frame.to_ndarray()[0] for frame in decoded])
