"""What a file in ``training/models`` must give: a recipe, which makes a learner and an exportable network.

A GAN's learner has two modules and two optimizers, a recurrent one carries its state inside ``step``; neither
changes anything outside its own file.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import training.models
from training.errors import TrainingError

BATCH = "batch"
Config = dict[str, int | float | str | bool]
"""Everything that decides a training's result; plain values, kept in the checkpoint."""


class Learner(Protocol):
    """A training under way. All that must survive a restart is in ``modules`` and ``optimizers``."""

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]

    def step(self, step: int) -> dict[str, float]:
        """One step, counted from 0; what is random in it depends on the seed and ``step`` alone. Gives the
        losses by name, the one that is minimised as "loss"."""
        ...

    def preview(self) -> Tensor:
        """A picture to judge the progress by: (3, H, W) float, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class FreeSize:
    """One free dimension of an input, a multiple of ``multiple``.

    ``name`` is what the graph calls one such multiple: "h4" for a height of 4, 8, 12, … pixels, which is then
    "4*h4"; the same name with ``multiple`` 1 is a state of a quarter of that height. ``BATCH`` is the batch.
    ``least`` and ``most`` bound the dimension itself, not its multiples.
    """

    name: str
    multiple: int = 1
    least: int = 1
    most: int = 4096

    @property
    def least_units(self) -> int:
        """The fewest multiples."""
        return -(-self.least // self.multiple)

    @property
    def most_units(self) -> int:
        """The most multiples."""
        return self.most // self.multiple


@dataclass(frozen=True, slots=True)
class Exportable:
    """A network in the form that is served.

    ``inputs``: example tensors by the name of forward's argument. ``free``: the free dimensions of each
    input. ``outputs``: names and the free dimensions that each must keep. ``manifest``: what model.toml says
    (its format: ``reelwire/models/manifest.py``).
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    free: Mapping[str, Mapping[int, FreeSize]]
    outputs: Mapping[str, tuple[int, ...]]
    manifest: Mapping[str, Any] = field(default_factory=dict)


class Recipe(Protocol):
    """One model."""

    help: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the model's own arguments; each one's value goes into the config."""
        ...

    def learner(self, config: Config, device: torch.device) -> Learner:
        """A training at step 0. TrainingError: data, style or features cannot be used."""
        ...

    def exportable(self, config: Config, weights: Mapping[str, Mapping[str, Tensor]]) -> Exportable:
        """The network to serve, from a checkpoint's ``modules``."""
        ...


def recipe_names() -> tuple[str, ...]:
    """Names of all recipes: the files in ``training/models``."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(training.models.__path__)))


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. TrainingError: there is none."""
    if name not in recipe_names():
        raise TrainingError(f'model "{name}" not found; available: {", ".join(recipe_names())}')
    recipe: Recipe = importlib.import_module(f"training.models.{name}").RECIPE
    return recipe
