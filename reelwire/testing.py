"""For tests, ours and those of whoever builds on Reelwire: pictures, clips, and services on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from reelwire.media import Chunk, Frames, PixelLayout, Pixels, VideoFormat, read_only
from reelwire.pixels import convert
from reelwire.server import Server, Service
from reelwire.settings import Settings
from reelwire.stage import Opened, Opening, PassThrough, StageFactory

TEST_RATE = 25


def picture(index: int, width: int = 64, height: int = 48) -> Pixels:
    """(height, width, 3) uint8 RGB: a gradient with a square that moves; no two indexes are alike."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
    rgb[..., 1] = np.linspace(0, 255, height, dtype=np.uint8)[:, None]
    rgb[..., 2] = index * 7 % 256
    side = max(1, min(width, height) // 4)
    left, top = index * 3 % max(1, width - side), index * 2 % max(1, height - side)
    rgb[top : top + side, left : left + side] = (255, 255, index % 256)
    return rgb


def frames(count: int, video: VideoFormat, *, chunk_frames: int = 1, pts_step: int = 1) -> Iterator[Frames]:
    """``count`` pictures in chunks of ``chunk_frames``."""
    pixels = [
        convert(picture(index, video.width, video.height), PixelLayout.RGB24, video.layout)
        for index in range(count)
    ]
    for start in range(0, count, chunk_frames):
        part = range(start, min(start + chunk_frames, count))
        stack = read_only(np.stack([pixels[index] for index in part]))
        yield Frames(video, tuple(index * pts_step for index in part), stack)


def small_video(width: int = 64, height: int = 48, layout: PixelLayout = PixelLayout.RGB24) -> VideoFormat:
    """The format of a small test picture at 25 frames per second."""
    return VideoFormat(width, height, Fraction(1, TEST_RATE), layout, Fraction(TEST_RATE))


def write_clip(path: Path, count: int = 25, *, width: int = 64, height: int = 48, sound: bool = True) -> Path:
    """A real H.264 + AAC file of ``count`` test pictures at 25 fps, with a tone of 440 Hz."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=TEST_RATE)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "ultrafast", "threads": "1"}
        tone = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index, width, height), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, TEST_RATE)
            container.mux(video.encode(frame))
            if tone is not None:
                container.mux(tone.encode(_tone(index)))
        container.mux(video.encode())
        if tone is not None:
            container.mux(tone.encode())
    return path


def _tone(index: int) -> av.AudioFrame:
    each = 48000 // TEST_RATE
    times = np.arange(index * each, (index + 1) * each) / 48000
    samples = (0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, index * each, Fraction(1, 48000)
    return frame


class IdentityStage(PassThrough):
    """Gives what it is fed."""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        """The same chunk."""
        return (replace(chunk, dropped=()),)


class IdentityFactory:
    """Any stage's name over an IdentityStage; takes every layout that the next stage takes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self, opening: Opening) -> Opened:
        """Offers what it was offered."""
        return Opened(IdentityStage(), opening.negotiate(opening.offers), resumable=True)

    def close(self) -> None:
        """Nothing to free."""


@asynccontextmanager
async def loopback(
    factories: Sequence[StageFactory | Service], settings: Mapping[str, Any] | None = None
) -> AsyncIterator[dict[str, Server]]:
    """Runs the services on free ports of this machine, each with the next one's address, in this process.
    A factory alone has no calls beside Process; a ``Service`` has all of its own.

    ``settings``: fields of ``Settings`` for all of them. Gives the servers by stage; ``addresses_of`` turns
    them into what ``connect`` takes.
    """
    given = {"drain_s": 0.0, "start_timeout_s": 20.0, **(settings or {})}
    servers: dict[str, Server] = {}
    try:
        for factory in reversed(factories):
            known = {f"{stage}_addr": address for stage, address in addresses_of(servers).items()}
            server = Server([_serving(factory)], Settings(**{**given, **known}))
            await server.start()
            servers[server.stages[0]] = server
        yield servers
    finally:
        await asyncio.gather(*(server.stop() for server in servers.values()))


def _serving(factory: StageFactory | Service) -> Service:
    return factory if isinstance(factory, Service) else Service(lambda settings: factory)


def addresses_of(servers: Mapping[str, Server]) -> dict[str, str]:
    """Stage → "host:port"."""
    return {stage: f"127.0.0.1:{server.port}" for stage, server in servers.items()}
