"""A generator service on this machine: ``auto`` starts at once, builds aside, tells, and moves when asked.

The service's code is named, not imported: what lies in ``deploy`` knows services from outside.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deploy.gpu.made import DECAY, RECURRENT
from deploy.gpu.report import Result, held
from deploy.gpu.subjects import Target
from reelwire.client import Stream, connect
from reelwire.engines.registry import standing_in
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout
from reelwire.testing import addresses_of, loopback, small_video
from reelwire.v1.config_pb2 import PinnedModel, Policy, StreamConfig
from reelwire.v1.pipeline_pb2 import Control, EngineChange, Notice

SERVICE = "services.generator.__main__"
VIDEO = small_video(64, 48)
FRAME_S = 0.05
"""From one frame to the next, as a live source's."""
AHEAD = 5
"""Frames from a Control to the pts that it names."""
AFTER = 20
"""Frames on the new engine."""
CACHE = "REELWIRE_CACHE_DIR"


@dataclass
class Talker:
    """One stream that frames of one level each are sent on, and what came back."""

    stream: Stream
    sent: list[int] = field(default_factory=list)
    got: dict[int, int] = field(default_factory=dict)

    async def send(self) -> None:
        """One frame; its level is its own."""
        pts = len(self.sent)
        self.sent.append(pts * 37 % 256)
        pixels = np.full((1, VIDEO.height, VIDEO.width, 3), self.sent[-1], np.uint8)
        await self.stream.send(Chunk(0, Frames(VIDEO, (pts,), pixels)))
        await asyncio.sleep(FRAME_S)

    async def receive(self) -> None:
        """All that comes back."""
        async for chunk in self.stream.chunks():
            assert isinstance(chunk.payload, Frames)
            levels = (int(pixels[0, 0, 0]) for pixels in chunk.payload.pixels)
            self.got.update(zip(chunk.payload.pts, levels, strict=True))

    def notices(self, kind: Notice.Kind, start: str = "") -> list[str]:
        """The texts so far."""
        return [
            each.text
            for each in self.stream.told.notices
            if each.kind == kind and each.text.startswith(start)
        ]

    @property
    def model(self) -> PinnedModel:
        """What it was bound to."""
        return self.stream.told.models[0]

    @property
    def lost(self) -> int:
        """Frames that did not come back, were dropped or failed."""
        summary = self.stream.summary
        assert summary is not None, "the stream has ended"
        (stage,) = summary.stages
        return len(self.sent) - len(self.got) + abs(stage.in_frames - stage.out_frames) + stage.failed_frames

    @property
    def most_levels_off(self) -> int:
        """From what the model gives when its state is carried from the first frame to the last."""
        state, worst = 0.0, 0
        for pts, level in enumerate(self.sent):
            state = (level + state) * DECAY
            worst = max(worst, abs(self.got.get(pts, -255) - round(state)))
        return worst


def serve_while_building(target: Target, folder: Path, ready_s: float, *, fake: bool) -> Iterator[Result]:
    """``folder``: of the two models that are made here, beside an empty one for plans."""
    with _cache(folder / "cache"), standing_in(*([target.backend] if fake else [])):
        yield from asyncio.run(_run(target, folder / "models", ready_s))


async def _run(target: Target, models: Path, ready_s: float) -> Sequence[Result]:
    service = importlib.import_module(SERVICE).SERVICE
    settings = {"model_path": str(models), "model_poll_s": 0, "backend": "auto"}
    config = StreamConfig(route=["generator"], policy=Policy.POLICY_LOSSLESS)
    config.generator.model = RECURRENT
    offer = Offer(0, PayloadKind.FRAMES, VIDEO, (PixelLayout.RGB24,))
    async with (
        loopback([service], settings) as servers,
        connect(addresses_of(servers)) as reelwire,
        asyncio.timeout(ready_s),
        reelwire.stream(config, (offer,)) as first,
    ):
        await first.ready()
        old = Talker(first)
        receiving = [asyncio.create_task(old.receive())]
        while not old.notices(Notice.KIND_MODEL_READY):
            await old.send()
        async with reelwire.stream(config, (offer,)) as second:
            await second.ready()
            new = Talker(second)
            receiving.append(asyncio.create_task(new.receive()))
            from_pts = len(old.sent) + AHEAD
            change = EngineChange(backend=target.name)
            await first.control(Control(stage="generator", from_pts=from_pts, engine=change))
            moved = f"from pts {from_pts} on the model runs on {target.name}, {target.device}"
            while len(old.sent) < from_pts + AFTER or not old.notices(Notice.KIND_WARNING):
                await old.send()
                await new.send()
            await first.end()
            await second.end()
            await asyncio.gather(*receiving)
        return _results(target, old, new, moved)


def _results(target: Target, old: Talker, new: Talker, moved: str) -> list[Result]:
    started, told = old.model.backend, old.notices(Notice.KIND_MODEL_READY)[0]
    warned = old.notices(Notice.KIND_WARNING)
    chosen = f"{new.model.backend}, {new.model.device}, {new.model.precision}"
    return [
        held(started != target.name, "starts at once", f"it waited for {target.name}", engine=started),
        held(target.name in told, "MODEL_READY", f"it says: {told}", text=told),
        held(
            (new.model.backend, new.model.device) == (target.name, target.device),
            "auto picks it and says so",
            f"a new stream is on {chosen}",
            engine=chosen,
        ),
        held(
            any(text.startswith(moved) for text in warned),
            "Control moves a stream",
            f"expected {moved}; it says {warned}",
        ),
        *(
            held(
                not talker.lost and talker.most_levels_off <= 1,
                f"{name} stream whole",
                "frames were lost, or are not what the model gives with its state carried",
                frames=len(talker.sent), lost=talker.lost, most_levels_off=talker.most_levels_off,
            )
            for name, talker in (("moved", old), ("new", new))
        ),
    ]  # fmt: skip


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """For this process and those that it starts."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE]
        else:
            os.environ[CACHE] = before
