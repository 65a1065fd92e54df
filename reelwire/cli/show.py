"""Progress, notices and the tables of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from reelwire.cli.console import err, interactive
from reelwire.client.files import FileResult, Progress
from reelwire.client.report import kind_of

COUNTS = ("in", "made", "out", "dropped", "failed")
TIMES = ("queue", "compute", "hold", "transfer")
PERCENTILES = ("p50", "p95", "p99")
LINE_EVERY_S = 2.0

Show = Callable[[Progress], None]


@contextmanager
def progress(*, quiet: bool) -> Iterator[Show]:
    """A bar with frames per second on a terminal; elsewhere a line for each phase and one every two seconds.
    ``quiet``: nothing."""
    if quiet:
        yield lambda now: None
    elif interactive():
        with _bar() as show:
            yield show
    else:
        yield Lines()


class Speed:
    """Frames per second since the first frame came out."""

    def __init__(self) -> None:
        self._first_s: float | None = None

    def __call__(self, now: Progress) -> float:
        if now.out_frames and self._first_s is None:
            self._first_s = now.elapsed_s
        since_s = now.elapsed_s - self._first_s if self._first_s is not None else 0.0
        return now.out_frames / since_s if since_s > 0 else 0.0


class Lines:
    """Progress where nobody watches a bar."""

    def __init__(self) -> None:
        self._phase = ""
        self._began_s = self._shown_s = time.monotonic()
        self._speed = Speed()

    def __call__(self, now: Progress) -> None:
        """A line, if there is something new to say."""
        fps, clock_s = self._speed(now), time.monotonic()
        if now.phase == self._phase and clock_s < self._shown_s + LINE_EVERY_S:
            return
        self._phase, self._shown_s = now.phase, clock_s
        rate = f", {fps:.1f} fps" if fps else ""
        err.print(f"{clock_s - self._began_s:6.1f} s  {now.phase}{_amount(now)}{rate}", markup=False)


def _amount(now: Progress) -> str:
    """How much is out; a container's bytes do not say how many frames they hold."""
    if now.out_bytes:
        return f" {now.out_bytes / 1e6:.1f} MB"
    if not now.out_frames:
        return ""
    return f" {now.out_frames}/{now.expected_frames or '?'} frames"


@contextmanager
def _bar() -> Iterator[Show]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TextColumn("{task.fields[fps]:>6.1f} fps"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=err, transient=False) as bar:
        task = bar.add_task("starting", total=None, fps=0.0, amount="")
        speed = Speed()

        def show(now: Progress) -> None:
            bar.update(
                task,
                description=now.phase,
                completed=now.out_frames,
                total=now.expected_frames or None,
                fps=speed(now),
                amount=_amount(now).strip(),
            )

        yield show


def show_notices(result: FileResult) -> None:
    """One line each on standard error, and one for each stage that lost frames: nobody should have to read
    the report to learn that."""
    for notice in result.notices:
        err.print(f"{kind_of(notice)} [{notice.stage}]: {notice.text}", markup=False)
    for stage in result.report["stages"]:
        if stage["frames"]["failed"]:
            text = f"{stage['frames']['failed']} of {stage['frames']['in']} frames failed"
            err.print(f"warning [{stage['stage']}]: {text}", markup=False)


def report_tables(report: Mapping[str, Any]) -> tuple[Table, Table]:
    """Frames for each stage, and milliseconds of a chunk; both fit into 80 columns."""
    frames = Table(title="frames", title_justify="left", box=box.SIMPLE)
    times = Table(title="milliseconds of a chunk: p50/p95/p99", title_justify="left", box=box.SIMPLE)
    for table, columns in ((frames, COUNTS), (times, TIMES)):
        table.add_column("stage", no_wrap=True)
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
    for stage in report["stages"]:
        frames.add_row(stage["stage"], *(str(stage["frames"][name]) for name in COUNTS))
        times.add_row(stage["stage"], *(_times(stage[f"{name}_ms"]) for name in TIMES))
    end = report["end_to_end"]
    frames.add_section()
    frames.add_row("end to end", *(str(report["frames"][name]) for name in COUNTS))
    times.caption = (
        f"end to end: {end['wall_s']:.1f} s, {end['fps']:.1f} fps, age of a chunk {_times(end['age_ms'])} ms"
    )
    times.caption_justify = "left"
    frames.caption, frames.caption_justify = "\n".join(_model_lines(report)) or None, "left"
    return frames, times


def _model_lines(report: Mapping[str, Any]) -> list[str]:
    """What ran each model, and in what precision: never left to be guessed."""
    return [
        f"{model['name']}@{model['version']} on {model['backend']}, {model['device']}, {model['precision']}"
        for stage in report["stages"]
        for model in stage["models"]
    ]


def _times(quantiles: Mapping[str, float]) -> str:
    return "/".join(_short(quantiles.get(name, 0.0)) for name in PERCENTILES)


def _short(value_ms: float) -> str:
    return f"{value_ms:.1f}" if value_ms < 100 else f"{value_ms:.0f}"
