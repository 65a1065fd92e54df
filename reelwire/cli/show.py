"""Progress and the table of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from reelwire.cli.console import err, interactive
from reelwire.client.files import Progress

PERCENTILES = ("p50", "p95", "p99")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A bar with frames per second on a terminal; elsewhere nothing, unless ``quiet`` is False by request:
    then one line for each phase."""
    if interactive() and not quiet:
        with _bar() as show:
            yield show
        return
    yield _phases(quiet)


def _phases(quiet: bool) -> Callable[[Progress], None]:
    seen: set[str] = set()

    def show(now: Progress) -> None:
        if not quiet and now.phase not in seen:
            seen.add(now.phase)
            err.print(f"{now.elapsed_s:6.1f} s  {now.phase}", markup=False)

    return show


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:>6.1f} fps"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=err, transient=False) as bar:
        task = bar.add_task("starting", total=None, fps=0.0)
        first: list[float] = []

        def show(now: Progress) -> None:
            if now.out_frames and not first:
                first.append(now.elapsed_s)
            since = now.elapsed_s - first[0] if first else 0.0
            bar.update(
                task,
                description=now.phase,
                completed=now.out_frames,
                total=now.expected_frames or None,
                fps=now.out_frames / since if since > 0 else 0.0,
            )

        yield show


def report_table(report: Mapping[str, Any]) -> Table:
    """Per stage: frames, and queue, compute, hold and transfer as p50 / p95 / p99 in milliseconds."""
    table = Table(title="milliseconds for each chunk: p50 / p95 / p99", title_justify="left")
    for name in ("stage", "in", "made", "out", "dropped", "failed", "queue", "compute", "hold", "transfer"):
        table.add_column(name, justify="left" if name == "stage" else "right", no_wrap=True)
    for stage in report["stages"]:
        frames = stage["frames"]
        table.add_row(
            stage["stage"],
            *(str(frames[name]) for name in ("in", "made", "out", "dropped", "failed")),
            *(_times(stage[f"{name}_ms"]) for name in ("queue", "compute", "hold", "transfer")),
        )
    frames, end = report["frames"], report["end_to_end"]
    table.add_section()
    table.add_row(
        "end to end",
        *(str(frames[name]) for name in ("in", "made", "out", "dropped", "failed")),
        f"{end['wall_s']:.1f} s",
        f"{end['fps']:.1f} fps",
        "age",
        _times(end["age_ms"]),
    )
    return table


def _times(quantiles: Mapping[str, float]) -> str:
    return " / ".join(f"{quantiles.get(name, 0.0):.1f}" for name in PERCENTILES)
