"""Whether a model's runs of different streams become one inference: what was asked for, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reelwire.settings import Settings

BatchMode = Literal["auto", "off", "on"]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """``mode``: "auto" where batches are bit for bit what runs alone give and are measured to pay; "on"
    wherever they are within ``tolerance`` (largest absolute difference; 0: bit for bit), whether it pays or
    not. ``max_batch`` runs in one inference at most; ``delay_s`` that a run waits for company; ``streams``
    that the service takes at once."""

    mode: BatchMode = "off"
    max_batch: int = 8
    delay_s: float = 0.002
    tolerance: float = 0.0
    streams: int = 1

    @classmethod
    def of(cls, settings: Settings) -> BatchOptions:
        """As a service's environment says."""
        return cls(
            mode=settings.batch,
            max_batch=settings.batch_max,
            delay_s=settings.batch_delay_ms / 1000,
            tolerance=settings.batch_tolerance,
            streams=settings.stream_slots,
        )


@dataclass(frozen=True, slots=True)
class BatchedModel:
    """``sha256`` of the graph, by which a decision is kept; empty: it is not. ``most`` runs in one inference
    by its model.toml; 0: no limit."""

    sha256: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class BatchDecision:
    """``max_batch`` runs in one inference, 1 where ``on`` is False. ``exact``: batches were bit for bit what
    runs alone give; None: not tried. ``gain``: frames per second in batches, as a multiple of runs alone side
    by side on the same cores; None: not measured. ``reason``: a part of a sentence."""

    on: bool
    max_batch: int
    exact: bool | None
    gain: float | None
    reason: str

    def __str__(self) -> str:
        """One line."""
        if self.on:
            return f"runs of up to {self.max_batch} streams are one inference: {self.reason}"
        return f"each stream's frames run alone: {self.reason}"


def alone(reason: str, exact: bool | None = None, gain: float | None = None) -> BatchDecision:
    """No batches, and why."""
    return BatchDecision(False, 1, exact, gain, reason)


UNBATCHED = BatchOptions()
NEVER = alone("nobody asked for batches")
