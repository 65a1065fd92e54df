"""The editor as a service: over gRPC, with real credit, accounts and metrics."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reelwire import metrics
from reelwire.client.sdk import connect
from reelwire.errors import BadParameter, UnknownEffect
from reelwire.media import Chunk, Frames, Offer, PayloadKind, PixelLayout
from reelwire.pixels import convert
from reelwire.server import Server
from reelwire.settings import Settings
from reelwire.testing import addresses_of, frames, loopback, small_video
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import Control, EffectChange, StageSummary
from services.editor.__main__ import SERVICE
from tests.services.editor.assets import EXAMPLES, write_assets
from tests.services.editor.models import write_models
from tests.services.editor.streams import Effects, effect, factory

LIVENESS_S = 60
COUNT = 30


async def _run(
    effects: Effects, folder: Path, change: Control | None = None, **config: int
) -> tuple[list[Frames], StageSummary]:
    """Frames through an editor and its accounts."""
    video = small_video()
    assets, models = folder / "assets", folder / "models"
    for part, write in ((assets, write_assets), (models, write_models)):
        part.mkdir()
        write(part)
    async with loopback([factory(assets, models)]) as servers, connect(addresses_of(servers)) as reelwire:
        stream_config = StreamConfig(route=["editor"], **config)  # type: ignore[arg-type]
        stream_config.editor.effects.extend(effect(name, params) for name, params in effects)
        offer = Offer(0, PayloadKind.FRAMES, video, (video.layout,))
        async with reelwire.stream(stream_config, (offer,)) as stream:
            await stream.ready()
            sender = asyncio.create_task(_send(stream, video, config.get("chunk_frames", 1), change))
            back = [chunk.payload async for chunk in stream.chunks() if isinstance(chunk.payload, Frames)]
            await sender
            assert stream.summary is not None
            return back, stream.summary.stages[0]


async def _send(stream, video, chunk_frames: int, change: Control | None) -> None:  # type: ignore[no-untyped-def]
    if change is not None:
        await stream.control(change)
    for each in frames(COUNT, video, chunk_frames=chunk_frames):
        await stream.send(Chunk(0, each))
    await stream.end()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("chunk_frames", [1, 7])
async def test_every_effect_runs_to_its_end_on_credit_for_one_chunk_and_the_accounts_close(
    name: str, chunk_frames: int, tmp_path: Path
) -> None:
    before = metrics.FRAMES.labels("editor", "out")._value.get()
    back, stage = await asyncio.wait_for(
        _run([(name, EXAMPLES[name])], tmp_path, credit_chunks=1, chunk_frames=chunk_frames), LIVENESS_S
    )
    came = sum(len(each) for each in back)
    dropped = sum(each.count for each in stage.dropped)
    assert (stage.in_frames, stage.made_frames, stage.failed_frames) == (COUNT, 0, 0)
    assert came == stage.out_frames == COUNT - dropped
    assert dropped == (COUNT - 16 if name == "trim" else 0)
    assert metrics.FRAMES.labels("editor", "out")._value.get() - before == came


async def test_a_trim_that_keeps_nothing_ends_well(tmp_path: Path) -> None:
    back, stage = await asyncio.wait_for(
        _run([("trim", {"start_s": 1000})], tmp_path, credit_chunks=1, chunk_frames=3), LIVENESS_S
    )
    assert back == []
    assert (stage.in_frames, stage.out_frames, sum(each.count for each in stage.dropped)) == (COUNT, 0, COUNT)


async def test_a_change_over_the_wire_holds_from_its_pts(tmp_path: Path) -> None:
    control = Control(stage="editor", from_pts=12, effect=EffectChange(index=0))
    control.effect.params.update({"brightness": 1})
    back, _ = await _run([("grade", {})], tmp_path, change=control, chunk_frames=5)
    white = [
        pts
        for each in back
        for pts, pixels in zip(each.pts, each.pixels, strict=True)
        if convert(pixels, each.format.layout, PixelLayout.RGB24).min() >= 254
    ]
    assert white == list(range(12, COUNT))


async def test_models_of_effects_are_in_the_summary(tmp_path: Path) -> None:
    _, stage = await _run([("background_blur", {})], tmp_path)
    assert [(model.stage, model.name) for model in stage.models] == [("editor", "selfie-segmentation")]


@pytest.mark.parametrize(
    ("wanted", "error"), [(("blurr", {}), UnknownEffect), (("grade", {"contrast": 9}), BadParameter)]
)
async def test_a_refusal_keeps_its_class_on_the_wire(
    wanted: tuple[str, dict[str, float]], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        await _run([wanted], tmp_path)


async def test_the_service_lists_its_effects() -> None:
    server = Server([SERVICE], Settings(drain_s=0))
    await server.start()
    try:
        async with connect({"editor": f"127.0.0.1:{server.port}"}) as reelwire:
            answer = await reelwire.effects()
    finally:
        await server.stop()
    assert set(EXAMPLES) <= {each.name for each in answer.effects}
