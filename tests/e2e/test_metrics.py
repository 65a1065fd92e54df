"""What /metrics says after a run agrees with the stream's summary, and nothing in the list stands still."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from reelwire import metrics
from reelwire.cli.group import Group, running_services
from reelwire.client import connect
from reelwire.errors import UnknownModel
from reelwire.hop.checks import STAGES
from reelwire.media import DropReason
from reelwire.pipeline import parse_effect
from reelwire.testing import write_clip
from reelwire.v1.config_pb2 import StreamConfig
from reelwire.v1.pipeline_pb2 import StageSummary
from tests.reelwire.models import graphs

FRAMES = 40
MODEL = "gain"
# What only trouble moves, or a setting: each has a test of its own where that trouble is made.
BY_TROUBLE = frozenset(
    {
        "reelwire_slot_fallbacks",  # tests/contracts/test_rings.py
        "reelwire_deadline_missed",  # tests/reelwire/hop/test_chain.py
        "reelwire_recoveries",  # tests/reelwire/hop/test_addresses.py
        "reelwire_plan_build_seconds",  # tests/reelwire/engines/tensorrt/test_build_process.py
        "reelwire_plan_build_progress",  # the same
        "reelwire_effect_failed_frames",  # tests/services/editor
    }
)


def read(url: str) -> list[Metric]:
    """One scrape."""
    with urllib.request.urlopen(url) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


def value(families: Iterable[Metric], name: str, **labels: str) -> float:
    """The sample's value; 0 where there is none."""
    for family in families:
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return 0.0


async def scrape(group: Group) -> dict[str, list[Metric]]:
    """All services."""
    urls = {stage: service.place.metrics_url for stage, service in group.services.items()}
    return {stage: await asyncio.to_thread(read, url) for stage, url in urls.items()}


def until_offered(url: str) -> None:
    """Until the generator, which looks for new versions all the time, has met one."""
    while not value(read(url), "reelwire_model_versions_total", model=MODEL, outcome="offered"):
        pass  # the next scrape may see it


def config() -> StreamConfig:
    """All four, with frames made (twice the rate), dropped (trimmed), and a model."""
    stream = StreamConfig(route=STAGES, chunk_frames=3)
    stream.preprocess.rate = "50"
    stream.generator.model = MODEL
    stream.editor.effects.extend([parse_effect("grade:contrast=1.2"), parse_effect("trim:start_s=0.4")])
    stream.encoder.video.preset = "ultrafast"
    return stream


def check(stage: StageSummary, families: list[Metric]) -> None:
    """Frame by frame, reason by reason, chunk by chunk."""
    name = stage.stage
    dropped = sum(each.count for each in stage.dropped if not DropReason(each.reason).failed)
    told = {
        "in": stage.in_frames,
        "made": stage.made_frames,
        "out": stage.out_frames,
        "dropped": dropped,
        "failed": stage.failed_frames,
    }
    for outcome, count in told.items():
        assert value(families, "reelwire_frames_total", stage=name, outcome=outcome) == count, (name, outcome)
    for reason in DropReason:
        count = sum(each.count for each in stage.dropped if each.reason == reason)
        labels = {"stage": name, "reason": reason.name.lower()}
        assert value(families, "reelwire_frames_dropped_total", **labels) == count, (name, reason)
    assert value(families, "reelwire_stage_compute_seconds_count", stage=name) == stage.compute.count
    assert stage.in_frames + stage.made_frames == stage.out_frames + dropped + stage.failed_frames


@pytest.mark.slow
async def test_after_a_run_the_metrics_of_all_four_agree_with_the_summary_and_all_have_moved(
    tmp_path: Path,
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", FRAMES)
    models = tmp_path / "models"
    graphs.gain(models / MODEL / "1" / "model.onnx")
    environment = {"REELWIRE_MODEL_PATH": str(models), "REELWIRE_MODEL_POLL_S": "0.05"}
    async with running_services(environment=environment) as group, connect(group.addresses) as reelwire:
        result = await reelwire.process_file(clip, tmp_path / "out.mkv", config())
        graphs.gain(models / MODEL / "2" / "model.onnx", shift=0.1)
        await asyncio.to_thread(until_offered, group.services["generator"].place.metrics_url)
        after_one = await scrape(group)
        bad = config()
        bad.generator.model = "nothing"
        with pytest.raises(UnknownModel):
            await reelwire.process_file(clip, tmp_path / "none.mkv", bad)
        scraped = await scrape(group)
    summary = {stage.stage: stage for stage in result.summary.stages}
    assert list(summary) == list(STAGES)
    assert summary["preprocess"].in_frames == FRAMES
    assert summary["preprocess"].made_frames > 0
    assert [DropReason(each.reason) for each in summary["editor"].dropped] == [DropReason.TRIMMED]
    for stage in STAGES:
        check(summary[stage], after_one[stage])
        assert value(scraped[stage], "reelwire_streams_total", stage=stage, code="OK") == 1
        assert value(scraped[stage], "reelwire_active_streams", stage=stage) == 0
        assert value(scraped[stage], "reelwire_inflight_frames", stage=stage) == 0
        assert value(scraped[stage], "reelwire_transport_info", stage=stage, transport="shared_memory") == 0
    assert value(scraped["generator"], "reelwire_streams_total", code="NOT_FOUND") == 1
    assert value(scraped["preprocess"], "reelwire_streams_total", code="NOT_FOUND") == 1
    assert still(scraped.values()) == BY_TROUBLE


def still(scraped: Iterable[list[Metric]]) -> set[str]:
    """Metrics of the list that no service gave a value of their own."""
    moved = {family.name for families in scraped for family in families if family.samples}
    listed = {family.name for family in metrics.REGISTRY.collect()}
    # An Info is called "x" in the list and "x_info" when read.
    return {name.removesuffix("_info") for name in listed} - {name.removesuffix("_info") for name in moved}
