"""Sixteen streams of different sizes through one real service, in batches: each gets what it has alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reelwire.client import Reelwire, connect
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout, Pixels
from reelwire.metrics import REGISTRY
from reelwire.models.recurrent import StatefulRunner
from reelwire.server import Service
from reelwire.settings import Settings
from reelwire.testing import addresses_of, loopback, small_video
from reelwire.v1.config_pb2 import Policy, StreamConfig
from services.generator.stage import GeneratorFactory
from tests.reelwire.models import batch_graphs, graphs
from tests.reelwire.models.running import opened, through

STREAMS = 16
SIZES = ((96, 64), (64, 96), (128, 80), (40, 48))
"""Width and height: four streams of each."""
FRAMES = 24
BATCH_MAX = 8
CHECKED = len(SIZES) * (STREAMS // len(SIZES) - 1)
"""Most batches of a shape's first, which are compared and not used: one of each length for each size."""
LIVENESS_S = 240.0
MODELS: dict[str, graphs.Maker] = {
    "stateless": batch_graphs.convolving,
    "recurrent": batch_graphs.remembering,
}


@pytest.fixture(params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Models of one kind, with the work of real networks: an inference takes longer than a message."""
    MODELS[request.param](tmp_path / "net.onnx")
    return tmp_path


def clip_of(number: int) -> Pixels:
    """(T, H, W, 3): another for each stream."""
    width, height = SIZES[number % len(SIZES)]
    return np.random.default_rng(number).integers(0, 256, (FRAMES, height, width, 3), np.uint8)


def alone(folder: Path, clip: Pixels) -> Pixels:
    """What an engine without batches makes of it."""
    with opened(folder, "net") as model:
        assert not model.batching.on
        runner = StatefulRunner(model)
        return np.concatenate([through(model, frame[None], runner) for frame in clip])


async def whole(reelwire: Reelwire, clip: Pixels) -> Pixels:
    """One stream from its start to its end."""
    video = small_video(clip.shape[2], clip.shape[1])
    config = StreamConfig(route=["generator"], policy=Policy.POLICY_LOSSLESS)
    config.generator.model = "net"
    made: list[Pixels] = []
    offer = Offer(0, PayloadKind.FRAMES, video, (PixelLayout.RGB24,))
    async with reelwire.stream(config, (offer,)) as stream:
        await stream.ready()
        assert [pinned.max_batch for pinned in stream.told.models] == [BATCH_MAX]

        async def send() -> None:
            for pts, frame in enumerate(clip):
                await stream.send(Chunk(0, Frames(video, (pts,), frame[None])))
            await stream.end()

        sending = asyncio.create_task(send())
        async for chunk in stream.chunks():
            assert isinstance(chunk.payload, Frames)
            made.append(chunk.payload.pixels.copy())
        await sending
    return np.concatenate(made)


async def all_streams(folder: Path, clips: list[Pixels]) -> list[Pixels]:
    """At once, on one inference at a time."""
    settings = {
        "model_path": str(folder),
        "stream_slots": STREAMS,
        "backend": "onnxruntime",
        "precision": "fp32",
        "engine_threads": 0,
        "batch": "on",
        "batch_max": BATCH_MAX,
    }
    service = Service(lambda _: GeneratorFactory(Settings(**settings)))  # type: ignore[arg-type]
    async with (
        asyncio.timeout(LIVENESS_S),
        loopback([service], settings) as servers,
        connect(addresses_of(servers)) as reelwire,
    ):
        return list(await asyncio.gather(*(whole(reelwire, clip) for clip in clips)))


def batches() -> Iterator[float]:
    """Inferences, those of one frame among them, and frames so far."""
    for name, more in (("count", {}), ("bucket", {"le": "1.0"}), ("sum", {})):
        found = REGISTRY.get_sample_value(f"reelwire_engine_batch_size_{name}", {"model": "net", **more})
        yield found or 0


@pytest.mark.slow
def test_sixteen_streams_get_bit_for_bit_what_each_has_alone(folder: Path) -> None:
    clips = [clip_of(number) for number in range(STREAMS)]
    wanted = [alone(folder, clip) for clip in clips]
    before = list(batches())
    made = asyncio.run(all_streams(folder, clips))
    for number, (got, want) in enumerate(zip(made, wanted, strict=True)):
        np.testing.assert_array_equal(got, want, err_msg=f"stream {number}")
    runs, single, frames = (now - then for now, then in zip(batches(), before, strict=True))
    assert runs - single > CHECKED, "batches were only made to be checked"
    assert frames >= STREAMS * FRAMES
