"""The report: accounts end to end, times in milliseconds, and whatever was said on the way."""

from __future__ import annotations

from reelwire.client import make_report
from reelwire.media import DropReason
from reelwire.v1.config_pb2 import PinnedModel
from reelwire.v1.media_pb2 import Dropped
from reelwire.v1.pipeline_pb2 import Notice, Quantiles, StageSummary, Summary

SUMMARY = Summary(
    stages=[
        StageSummary(
            stage="preprocess",
            in_frames=10,
            made_frames=2,
            out_frames=9,
            failed_frames=1,
            damaged_frames=3,
            dropped=[
                Dropped(count=2, reason=DropReason.RATE, stage="preprocess"),
                Dropped(count=1, reason=DropReason.UNDECODABLE, stage="preprocess"),
            ],
            version="1",
        ),
        StageSummary(
            stage="encoder",
            in_frames=9,
            out_frames=9,
            compute=Quantiles(p50_us=1500, p95_us=2500, p99_us=3500, count=9),
            age=Quantiles(p50_us=40_000, p95_us=50_000, p99_us=60_000, count=9),
            version="2",
        ),
    ]
)
NOTICES = [Notice(kind=Notice.KIND_WARNING, stage="encoder", text="padded")]
REPORT = make_report(SUMMARY, NOTICES, wall_s=3.0, stream_id="x")


def test_frames_close_end_to_end() -> None:
    frames = REPORT["frames"]
    assert frames == {"in": 10, "made": 2, "out": 9, "dropped": 2, "failed": 1}
    assert frames["in"] + frames["made"] == frames["out"] + frames["dropped"] + frames["failed"]


def test_failed_frames_are_not_counted_among_the_dropped() -> None:
    assert REPORT["stages"][0]["dropped_by_reason"] == {"rate": 2}
    assert REPORT["stages"][0]["damaged_frames"] == 3


def test_times_are_milliseconds() -> None:
    assert REPORT["stages"][1]["compute_ms"] == {"p50": 1.5, "p95": 2.5, "p99": 3.5}
    assert REPORT["end_to_end"] == {
        "age_ms": {"p50": 40.0, "p95": 50.0, "p99": 60.0},
        "wall_s": 3.0,
        "fps": 3.0,
    }


def test_notices_and_versions_are_in_it() -> None:
    assert REPORT["notices"] == [{"kind": "warning", "stage": "encoder", "text": "padded"}]
    assert REPORT["versions"]["services"] == {"preprocess": "1", "encoder": "2"}
    assert REPORT["stream_id"] == "x"


def test_what_runs_each_model_is_in_it() -> None:
    pinned = PinnedModel(stage="generator", name="net", backend="openvino", device="cpu", precision="int8")
    wide = PinnedModel(stage="generator", name="net", device="GPU", max_batch=8)
    stages = [StageSummary(stage="generator", models=[pinned, wide])]
    (stage,) = make_report(Summary(stages=stages), wall_s=1.0)["stages"]
    first, second = stage["models"]
    assert (first["backend"], first["device"], first["precision"]) == ("openvino", "cpu", "int8")
    assert (first["max_batch"], second["max_batch"], second["device"]) == (1, 8, "GPU")


def test_a_stream_without_stages_is_a_report_of_nothing() -> None:
    assert make_report(Summary(), wall_s=0.0)["frames"] == dict.fromkeys(REPORT["frames"], 0)
