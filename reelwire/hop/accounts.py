"""A stage's share of the summary: its accounts, closed, and its times."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from reelwire import __version__, metrics
from reelwire.hop.worker import StageWorker
from reelwire.media import Dropped, DropReason
from reelwire.payloads import dropped_to_proto
from reelwire.v1.config_pb2 import PinnedModel
from reelwire.v1.pipeline_pb2 import StageSummary

log = logging.getLogger(__name__)


def summarise(
    stage: str, worker: StageWorker, models: Sequence[PinnedModel], *, failed: bool
) -> StageSummary:
    """Closes the accounts of a stream whose worker has left. Frames still inside when a stream fails have
    failed; when it ends well there are none, and if there are it is a fault of the stage: logged."""
    ledger, timing = worker.ledger, worker.timing
    missing = ledger.missing_frames
    if missing and not failed:
        log.error("%s: the accounts do not close, %d frames missing", stage, missing)
    lost = ledger.settle()
    if lost:
        metrics.FRAMES.labels(stage, "failed").inc(lost)
        metrics.FRAMES_DROPPED.labels(stage, DropReason.ERROR.name.lower()).inc(lost)
    return StageSummary(
        stage=stage,
        in_frames=ledger.in_frames,
        made_frames=ledger.made_frames,
        out_frames=ledger.out_frames,
        dropped=[
            dropped_to_proto(Dropped(count, reason, 0, 0), stage)
            for reason, count in sorted(ledger.dropped.items())
        ],
        failed_frames=ledger.failed_frames,
        damaged_frames=ledger.damaged_frames,
        queue=timing.queue.quantiles(),
        compute=timing.compute.quantiles(),
        hold=timing.hold.quantiles(),
        transfer=timing.transfer.quantiles(),
        age=timing.age.quantiles(),
        models=models,
        version=__version__,
    )


def in_words(summary: StageSummary) -> str:
    """The accounts in one line, for the log."""
    dropped = sum(item.count for item in summary.dropped if not DropReason(item.reason).failed)
    return (
        f"in {summary.in_frames} made {summary.made_frames} out {summary.out_frames} "
        f"dropped {dropped} failed {summary.failed_frames}"
    )
