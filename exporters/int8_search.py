"""Which way of quantising is most like fp32, found by measuring.

The first and the last layer stay in fp32 (they see and make pixels, and cost little). The ways to calibrate
are compared on frames that were not calibrated on. Where the best is below the floor, the layers are measured
one by one, each the only one in int8, and the worst stay in fp32 as well: as few as meet the floor, and at
most half of all (of smaller shares too little would be left to gain).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporters.errors import ExportError
from exporters.quantized import CALIBRATORS, Choice, Quantizer
from exporters.served import Feeds, run_file
from reelwire.engines.backend import Array
from reelwire.models.fidelity import least_psnr_db
from reelwire.models.spec import ModelSpec

MARGIN_DB = 2.0
"""Above the floor, so that other frames than these meet it too."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way and its PSNR on the frames to choose by."""

    choice: Choice
    psnr_db: float

    def __str__(self) -> str:
        return f"{self.choice}: {self.psnr_db:.1f} dB"


@dataclass(frozen=True, slots=True)
class Judge:
    """Frames to choose by: what the runs are given, and what fp32 gives."""

    spec: ModelSpec
    feeds: Sequence[Feeds]
    wanted: Sequence[Mapping[str, Array]]

    def psnr_db(self, path: Path, runs: int | None = None) -> float:
        """Of the first ``runs`` runs, or all."""
        got = run_file(path, self.spec, self.feeds[:runs]).outputs
        return float(min(least_psnr_db(one, two) for one, two in zip(self.wanted[:runs], got, strict=True)))


def search(quantizer: Quantizer, form: str, judge: Judge, floor_db: float, scratch: Path) -> list[Trial]:
    """What was tried, in order. The best is the one to take. ExportError: no way works at all."""
    ends = frozenset({quantizer.layers[0], quantizer.layers[-1]})
    if len(quantizer.layers) <= len(ends):
        ends = frozenset()
    trials, problems = [], []
    for calibrator in CALIBRATORS:
        try:
            trials.append(_try(quantizer, Choice(form, calibrator, ends), judge, scratch))
        except ExportError as error:
            problems.append(str(error))
    if not trials:
        raise ExportError(problems[0])
    leader = best(trials)
    if leader.psnr_db < floor_db + MARGIN_DB:
        trials += _keep_worst(quantizer, leader, judge, floor_db + MARGIN_DB, scratch)
    return trials


def best(trials: Sequence[Trial]) -> Trial:
    """The most alike."""
    return max(trials, key=lambda trial: trial.psnr_db)


def _try(quantizer: Quantizer, choice: Choice, judge: Judge, scratch: Path) -> Trial:
    return Trial(choice, judge.psnr_db(quantizer.quantize(choice, scratch)))


def _keep_worst(
    quantizer: Quantizer, leader: Trial, judge: Judge, wanted_db: float, scratch: Path
) -> list[Trial]:
    every = frozenset(quantizer.layers)
    alone = {
        layer: _alone_db(quantizer, leader.choice, every - {layer}, judge, scratch)
        for layer in quantizer.layers
        if layer not in leader.choice.kept
    }
    worst_first = sorted(alone, key=lambda layer: alone[layer])
    trials = []
    count = 1
    while len(leader.choice.kept) + count <= len(every) // 2:
        kept = leader.choice.kept | frozenset(worst_first[:count])
        trial = _try(quantizer, Choice(leader.choice.form, leader.choice.calibrator, kept), judge, scratch)
        trials.append(trial)
        if trial.psnr_db >= wanted_db:
            break
        count = count + max(1, count // 2)
    return trials


def _alone_db(
    quantizer: Quantizer, choice: Choice, kept: frozenset[str], judge: Judge, scratch: Path
) -> float:
    path = quantizer.quantize(Choice(choice.form, choice.calibrator, kept), scratch)
    return judge.psnr_db(path, runs=1)
