"""What was looked at when an engine was chosen, and why it was not taken: a line each."""

from __future__ import annotations

from dataclasses import dataclass

from reelwire.engines.select import availability


@dataclass(frozen=True, slots=True)
class Considered:
    """One backend, or one way to run the model on it. ``psnr_db``: likeness to the sample; ``ms`` of one run
    of a small frame; None: not measured. ``problem``: why it was not taken, empty where it was;
    ``lacks_plan``: only since none was built yet."""

    backend: str
    precision: str = ""
    psnr_db: float | None = None
    ms: float | None = None
    problem: str = ""
    lacks_plan: bool = False

    def __str__(self) -> str:
        figures = [
            *([f"{self.ms:.1f} ms"] if self.ms is not None else []),
            *([f"{self.psnr_db:.1f} dB"] if self.psnr_db is not None else []),
        ]
        said = [f"not taken: {self.problem}" if self.problem else "taken", *figures]
        return f"{self.backend} {self.precision}".strip() + f": {', '.join(said)}"


def unusable_backends() -> tuple[Considered, ...]:
    """Backends that cannot run here, each with why and what to do about it."""
    return tuple(
        Considered(each.backend, problem=f"{each.problem}; fix: {each.fix}")
        for each in availability()
        if not each.ok
    )
