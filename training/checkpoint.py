"""Checkpoints: one file, plain tensors and values, loaded without running any code of it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.errors import TrainingError
from training.recipe import Config, Learner

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training after ``step`` steps."""

    model: str
    step: int
    config: Config
    modules: Mapping[str, Mapping[str, Tensor]]
    optimizers: Mapping[str, Mapping[str, Any]]


def save_checkpoint(path: Path, model: str, step: int, config: Config, learner: Learner) -> None:
    """Written beside, then renamed: a kill leaves the one before."""
    content = {
        "format": FORMAT,
        "model": model,
        "step": step,
        "config": dict(config),
        "modules": {name: module.state_dict() for name, module in learner.modules.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in learner.optimizers.items()},
    }
    half = path.with_suffix(".tmp")
    with half.open("wb") as stream:
        torch.save(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(half, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads one onto the CPU. TrainingError: it is missing, damaged, or of another format."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"checkpoint {path} does not exist") from None
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError):
        raise TrainingError(f"{path} is no checkpoint, or a damaged one") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TrainingError(f"{path} is no checkpoint of this program (format {FORMAT})")
    values = {key: value for key, value in content.items() if key != "format"}
    if values.keys() != {field.name for field in fields(Checkpoint)}:
        raise TrainingError(
            f"{path} is a damaged checkpoint: it holds {', '.join(sorted(values)) or 'nothing'}"
        )
    return Checkpoint(**values)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Puts a checkpoint's weights into the network that they were trained in. TrainingError: into another."""
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError:
        raise TrainingError(
            f"the checkpoint's weights do not fit {type(module).__name__} as it is now; train again"
        ) from None


def restore(learner: Learner, checkpoint: Checkpoint) -> None:
    """Puts a checkpoint's weights and optimizer states into a learner made from the same config."""
    for name, module in learner.modules.items():
        load_weights(module, checkpoint.modules[name])
    for name, optimizer in learner.optimizers.items():
        optimizer.load_state_dict(dict(checkpoint.optimizers[name]))
