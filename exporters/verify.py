"""Checks every model that ships in every precision, and prints a table: how much each is like fp32, whether
NVIDIA's compiler takes it, and what a frame costs on each backend here.

    reelwire export verify --models my-models --clip clip.mp4
    make models-verify            those that ship; the table goes into docs/models.md

fp32 graphs are compared with their recorded sample (the networks that they were exported from do not ship;
reelwire export parity compares with PyTorch where there is a checkpoint). The others are compared with fp32
on frames of the clip. Exit status 1 where something is beyond its tolerance or refused by the compiler.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporters.errors import ExportError
from exporters.inspect import CPU_FORM, words_of
from exporters.likeness import Likeness, measure
from exporters.sample import make_sample
from exporters.served import Served, opened
from exporters.table import markdown, write_between
from exporters.timing import candidates_here, frame_ms
from exporters.variants import Wishes, gather, judged
from reelwire.engines.backend import Candidate, Variant
from reelwire.engines.tensorrt.compile_check import Compiled, compile_check
from reelwire.errors import BackendMissing, ReelwireError
from reelwire.models.library import SHIPPED
from reelwire.models.sample import read_sample

CLIP = Path("assets/bigbuckbunny.mp4")
FRAMES = 6
HEAD = ("model", "precision", "max abs error", "PSNR dB", "RTX compile", "plan MB", "activation MiB")
CPU_COLUMNS = ("onnxruntime", "openvino")


@dataclass(frozen=True, slots=True)
class Row:
    """One file of one model. ``compiled``: text where it was refused or not tried. ``problem``: what is
    beyond its tolerance, or empty."""

    model: str
    variant: Variant
    likeness: Likeness
    compiled: Compiled | str
    ms: Mapping[str, str]
    problem: str

    def cells(self) -> list[str]:
        """As in the table."""
        plan = self.compiled if isinstance(self.compiled, Compiled) else None
        return [
            f"`{self.model}`",
            words_of(self.variant),
            f"{self.likeness.max_abs_error:.2g}",
            f"{self.likeness.psnr_db:.1f}",
            "yes" if plan else str(self.compiled),
            f"{plan.plan_bytes / 1e6:.1f}" if plan else "–",
            f"{plan.activation_bytes / (1 << 20):.0f}" if plan else "–",
            *(self.ms.get(name, "–") for name in CPU_COLUMNS),
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(
        prog="reelwire export verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models", type=Path, default=SHIPPED, help="folder of models (default: those that ship)"
    )
    parser.add_argument("--clip", type=Path, default=CLIP, help="real frames (default: %(default)s)")
    parser.add_argument(
        "--write", type=Path, metavar="DOCUMENT", help="put the table there, between its markers"
    )
    given = parser.parse_args(arguments)
    try:
        rows = [row for folder in _folders(given.models) for row in verify(folder, given.clip)]
        table = markdown((*HEAD, *(f"{name} ms" for name in CPU_COLUMNS)), [row.cells() for row in rows])
        print(table)
        if given.write:
            write_between(given.write, table)
    except (ExportError, ReelwireError) as error:
        print(error, file=sys.stderr)
        return 1
    wrong = [f"{row.model} {words_of(row.variant)}: {row.problem}" for row in rows if row.problem]
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


def verify(folder: Path, clip: Path) -> Iterator[Row]:
    """One row for each file of a model. ExportError: it cannot be used at all."""
    print(f"checking {folder.name}", file=sys.stderr)
    with opened(folder) as served:
        material = gather(served, Wishes(clips=(clip,), frames=FRAMES), make_sample(served, (clip,)))
        times = frame_ms(served, candidates_here(served), material.measuring[0][0])
        for variant in served.files.variants:
            exact = variant is served.files.variants[0]
            likeness = _of_sample(served) if exact else judged(served, material, variant.facts.path)
            compiled = _compile(served, variant)
            yield Row(
                model=served.files.location.name,
                variant=variant,
                likeness=likeness,
                compiled=compiled,
                ms=_by_backend(variant, times),
                problem=_problem(served, variant, likeness, compiled, exact=exact),
            )


def _folders(models: Path) -> list[Path]:
    graphs = models.glob("*/model.onnx")
    found = sorted(graph.parent for graph in graphs if not graph.parent.name.startswith("."))
    if not found:
        raise ExportError(f"{models} holds no model folder")
    return found


def _of_sample(served: Served) -> Likeness:
    """fp32 now and here, against what was recorded."""
    sample = read_sample(served.files.location.manifest.parent, served.files.manifest)
    if sample is None:
        raise ExportError(f"{served.files.location.name} has no [sample]; reelwire export precision adds one")
    return measure([sample.outputs], [served.engine.run(sample.inputs)])


def _compile(served: Served, variant: Variant) -> Compiled | str:
    if variant.form == CPU_FORM:
        return "for CPUs"
    try:
        return compile_check(variant.facts.path, served.files.profiles)
    except BackendMissing:
        return "not installed"
    except ReelwireError as error:
        return f"no: {error.message}"


def _by_backend(variant: Variant, times: Mapping[Candidate, float]) -> dict[str, str]:
    cells: dict[str, list[str]] = {}
    for candidate, ms in times.items():
        if candidate.variant == variant:
            own = "" if candidate.precision == variant.precision else f" ({candidate.precision})"
            cells.setdefault(candidate.backend, []).append(f"{ms:.1f}{own}")
    return {name: ", ".join(each) for name, each in cells.items()}


def _problem(
    served: Served, variant: Variant, likeness: Likeness, compiled: Compiled | str, *, exact: bool
) -> str:
    manifest = served.files.manifest
    if exact and manifest.sample and not likeness.max_abs_error <= manifest.sample.tolerance:
        return f"off its sample by {likeness.max_abs_error:.3g}, at most {manifest.sample.tolerance:g} passes"
    if not exact and not likeness.psnr_db >= manifest.quality.min_psnr_db:
        return f"{likeness.psnr_db:.1f} dB like fp32, at least {manifest.quality.min_psnr_db:g} passes"
    if isinstance(compiled, str) and compiled.startswith("no: "):
        return compiled
    return ""


if __name__ == "__main__":
    sys.exit(main())
