"""The training loop of any recipe: steps, progress, log, samples, checkpoints, going on after a stop.

A run's folder holds ``checkpoint.pt`` (the last one), ``log.csv`` (one line for each step logged) and
``sample-<step>.png``.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from training.checkpoint import load_checkpoint, restore, save_checkpoint
from training.errors import TrainingError
from training.recipe import Config, Learner, find_recipe

CHECKPOINT_NAME = "checkpoint.pt"
LOG_NAME = "log.csv"


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training writes and how often, in steps; none of it changes the result."""

    folder: Path
    log_every: int = 10
    save_every: int = 250
    sample_every: int = 250
    stop_after: int | None = None


def train(model: str, config: Config, run: Run, say: Callable[[str], None] = print) -> Path:
    """Trains up to ``config["steps"]`` or ``run.stop_after``; goes on where the folder's checkpoint ends.

    Returns the checkpoint's path. TrainingError: data that cannot be used, or a folder that holds the
    checkpoint of another training.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    learner = find_recipe(model).learner(config, choose_device())
    path = run.folder / CHECKPOINT_NAME
    start = _go_on(path, model, config, learner)
    log = StepLog(run.folder / LOG_NAME, start)
    steps = int(config["steps"])
    end = steps if run.stop_after is None else min(steps, run.stop_after)
    say(f"{model}: step {start} of {steps} on {choose_device().type}, into {run.folder}")
    began = time.monotonic()
    for step in range(start, end):
        losses = learner.step(step)
        done = step + 1
        if step % run.log_every == 0 or done == end:
            log.write(step, losses)
            say(progress_line(done, steps, losses, (time.monotonic() - began) / (done - start)))
        if done % run.sample_every == 0 or done == end:
            save_picture(run.folder / f"sample-{done:06d}.png", learner)
        if done % run.save_every == 0 or done == end:
            save_checkpoint(path, model, done, config, learner)
    return path


def choose_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def progress_line(done: int, steps: int, losses: dict[str, float], step_s: float) -> str:
    """One line for people."""
    values = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
    return (
        f"{done}/{steps}  {values}  {step_s * 1000:.0f} ms/step  {(steps - done) * step_s / 60:.1f} min left"
    )


def _go_on(path: Path, model: str, config: Config, learner: Learner) -> int:
    """Restores the checkpoint, if there is one; gives the step to go on from."""
    if not path.exists():
        return 0
    checkpoint = load_checkpoint(path)
    if checkpoint.model != model:
        raise TrainingError(f"{path} is of model {checkpoint.model}, not {model}; choose another --out")
    for name in sorted({*config, *checkpoint.config}):
        was, asked = checkpoint.config.get(name), config.get(name)
        if was != asked:
            flag = name.replace("_", "-")
            raise TrainingError(f"{path} was made with --{flag} {was}, not {asked}; choose another --out")
    restore(learner, checkpoint)
    return checkpoint.step


class StepLog:
    """log.csv: step and losses. Lines from ``start`` on, of steps that a kill undid, and half a line are
    removed."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        if not path.exists():
            return
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        whole = [row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdigit()]
        kept = rows[:1] + [row for row in whole if int(row[0]) < start]
        half = path.with_suffix(".tmp")
        with half.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(kept if start else [])
        os.replace(half, path)

    def write(self, step: int, losses: dict[str, float]) -> None:
        """One line; the header comes before the first."""
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if stream.tell() == 0:
                writer.writerow(["step", *losses])
            writer.writerow([step, *(repr(value) for value in losses.values())])


def save_picture(path: Path, learner: Learner) -> None:
    """The learner's preview as PNG. TrainingError: it cannot be written."""
    rgb = learner.preview().clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
    bgr = cv2.cvtColor((rgb * 255 + 0.5).astype(np.uint8), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), bgr):
        raise TrainingError(f"{path} cannot be written")
