"""What came back of a load within its measured window."""

from __future__ import annotations

from bench.chain.stages import mark
from bench.load import POOL_FRAMES, Load, Meter, Work, noise
from bench.report import percentile
from bench.table import Sample

LEAST_FRAMES = 10


class WrongPixels(Exception):
    """What came out of the chain is not what went in."""


class Returned:
    """The frames that came back, in the order in which they were sent; each is checked."""

    def __init__(self, work: Work, meter: Meter) -> None:
        self._marks = [mark(pixels) for pixels in noise(work)]
        self._meter = meter

    def came(self, sent_ns: int, now_ns: int, got: bytes | memoryview) -> None:
        """The next one. WrongPixels: it is another picture."""
        count = len(self._meter.took_ns)
        if got != self._marks[count % POOL_FRAMES]:
            raise WrongPixels(f"frame {count} is not what was sent")
        self._meter.took_ns.append((sent_ns, now_ns - sent_ns))


def sample(load: Load, meter: Meter) -> Sample:
    """Frames that came back in the window, what CPU they took, how old the frames sent in it became.
    WrongPixels: not all came back."""
    window = load.as_dict()
    if len(meter.took_ns) != window["sent"]:
        raise WrongPixels(f"{window['sent']} frames were sent, {len(meter.took_ns)} came back")
    first_ns, last_ns = window["from_ns"], window["to_ns"]
    fps = _rate(meter, first_ns, last_ns)
    ages = meter.ages_ms(first_ns, last_ns)
    return Sample(
        fps=fps,
        cpu_ms=window["cpu_s"] / (fps * (last_ns - first_ns)) * 1e12,
        p50_ms=percentile(ages, 50),
        p99_ms=percentile(ages, 99),
    )


def _rate(meter: Meter, first_ns: int, last_ns: int) -> float:
    """Frames per second that came back in the window; where it was too short, of those sent in it."""
    inside = sum(first_ns <= sent + age <= last_ns for sent, age in meter.took_ns)
    if inside >= LEAST_FRAMES:
        return inside / (last_ns - first_ns) * 1e9
    came = [sent + age for sent, age in meter.took_ns if sent >= first_ns]
    return len(came) / (max(came) - first_ns) * 1e9
