"""A stream's summary as plain data: what ``--report`` writes and the table shows."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from reelwire import __version__
from reelwire.media import DropReason
from reelwire.v1.config_pb2 import PinnedModel
from reelwire.v1.pipeline_pb2 import Notice, Quantiles, StageSummary, Summary


def _ms(quantiles: Quantiles) -> dict[str, float]:
    return {
        "p50": quantiles.p50_us / 1000,
        "p95": quantiles.p95_us / 1000,
        "p99": quantiles.p99_us / 1000,
    }


def _dropped(stage: StageSummary) -> dict[str, int]:
    """By reason, without those that count as failed."""
    return {
        DropReason(item.reason).name.lower(): item.count
        for item in stage.dropped
        if not DropReason(item.reason).failed
    }


def _models(models: Sequence[PinnedModel]) -> list[dict[str, str | int]]:
    return [
        {
            "stage": model.stage,
            "name": model.name,
            "version": model.version,
            "sha256": model.sha256,
            "backend": model.backend,
            "device": model.device,
            "precision": model.precision,
            "max_batch": max(1, model.max_batch),
        }
        for model in models
    ]


def _stage(stage: StageSummary) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "frames": {
            "in": stage.in_frames,
            "made": stage.made_frames,
            "out": stage.out_frames,
            "dropped": sum(_dropped(stage).values()),
            "failed": stage.failed_frames,
        },
        "dropped_by_reason": _dropped(stage),
        "damaged_frames": stage.damaged_frames,
        "queue_ms": _ms(stage.queue),
        "compute_ms": _ms(stage.compute),
        "hold_ms": _ms(stage.hold),
        "transfer_ms": _ms(stage.transfer),
        "age_ms": _ms(stage.age),
        "models": _models(stage.models),
        "transport": stage.transport,
        "version": stage.version,
    }


def kind_of(notice: Notice) -> str:
    """ "warning", "degraded", "model_ready" or "move"."""
    return Notice.Kind.Name(notice.kind).removeprefix("KIND_").lower()


def make_report(
    summary: Summary, notices: Sequence[Notice] = (), *, wall_s: float, stream_id: str = ""
) -> dict[str, Any]:
    """``frames`` end to end, ``stages``, ``end_to_end``, ``notices`` and ``versions``; times in milliseconds.

    End to end: in of the first stage, out of the last, everything else summed.
    """
    stages: list[Mapping[str, Any]] = [_stage(stage) for stage in summary.stages]
    frames = {
        "in": stages[0]["frames"]["in"] if stages else 0,
        "made": sum(stage["frames"]["made"] for stage in stages),
        "out": stages[-1]["frames"]["out"] if stages else 0,
        "dropped": sum(stage["frames"]["dropped"] for stage in stages),
        "failed": sum(stage["frames"]["failed"] for stage in stages),
    }
    return {
        "frames": frames,
        "stages": stages,
        "end_to_end": {
            "age_ms": stages[-1]["age_ms"] if stages else {},
            "wall_s": round(wall_s, 3),
            "fps": round(frames["out"] / wall_s, 2) if wall_s else 0.0,
        },
        "notices": [
            {"kind": kind_of(notice), "stage": notice.stage, "text": notice.text} for notice in notices
        ],
        "versions": {
            "reelwire": __version__,
            "python": platform.python_version(),
            "services": {stage["stage"]: stage["version"] for stage in stages},
        },
        "stream_id": stream_id,
    }
