"""Runs of several streams ↔ one batch: which inputs are laid together along axis 0, and taken apart again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reelwire.engines.backend import Array
from reelwire.errors import ModelUnusable


@dataclass(frozen=True, slots=True)
class BatchRows:
    """What of a graph has a batch axis, always axis 0.

    ``stacked``: inputs that are laid together, states among them. ``shared``: the other inputs, which
    every run of a batch must have alike.
    """

    stacked: tuple[str, ...]
    shared: Mapping[str, Array] = field(default_factory=dict)

    def key(self, inputs: Mapping[str, Array]) -> Hashable:
        """Equal for runs that may share a batch: the same types and lengths but for the batch's; its own for
        a run that may share with none, as its constants are not the model's or its rows are not one count."""
        if any(not _same(inputs[name], array) for name, array in self.shared.items()):
            return object()
        if len({inputs[name].shape[:1] for name in self.stacked}) != 1:
            return object()
        return tuple((inputs[name].dtype.str, inputs[name].shape[1:]) for name in self.stacked)

    def count(self, inputs: Mapping[str, Array]) -> int:
        """Rows of one run."""
        return int(inputs[self.stacked[0]].shape[0])

    def gather(self, runs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """The inputs of one inference over all ``runs``, in their order, in new arrays."""
        together = {name: np.concatenate([run[name] for run in runs]) for name in self.stacked}
        return {**self.shared, **together}

    def scatter(self, outputs: Mapping[str, Array], counts: Sequence[int]) -> list[dict[str, Array]]:
        """Each run's rows of every output, in arrays of its own. ModelUnusable: an output that has not one
        row for each that went in."""
        ends = np.cumsum(counts)
        for name, array in outputs.items():
            if array.ndim == 0 or array.shape[0] != ends[-1]:
                raise ModelUnusable(
                    f'output "{name}" is {list(array.shape)}, expected {ends[-1]} rows: as many as went in',
                    field=name,
                )
        return [
            {name: array[end - count : end].copy() for name, array in outputs.items()}
            for count, end in zip(counts, ends, strict=True)
        ]


def same_bits(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Equal names, types, shapes and bytes: NaN equals the same NaN, 0 is not -0."""
    return one.keys() == other.keys() and all(_same(array, other[name]) for name, array in one.items())


def _same(one: Array, other: Array) -> bool:
    return one is other or (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )
