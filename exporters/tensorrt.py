"""Builds TensorRT plans of a model folder for this machine's GPU, one for each precision, and keeps them
where services look.

    reelwire export tensorrt my-models/sketch
    reelwire export tensorrt my-models/sketch --precision fp16 --backend tensorrt
    reelwire export tensorrt my-models/sketch --check

Sizes are those of [[profiles]] in model.toml, else a default for 32 x 32 to 1920 x 1080. ``--check`` compiles
with TensorRT for RTX on the CPU, needs no GPU and keeps nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from exporters.errors import ExportError
from exporters.served import Served, opened
from reelwire.engines.backend import Candidate, EngineOptions, ShapeProfile
from reelwire.engines.registry import backend
from reelwire.engines.tensorrt.backend import TensorRtBackend
from reelwire.engines.tensorrt.builder_process import BuilderProcess
from reelwire.engines.tensorrt.compile_check import compile_check
from reelwire.engines.tensorrt.libraries import ENTERPRISE, RTX
from reelwire.engines.tensorrt.plans import PlanCache
from reelwire.engines.tensorrt.progress import OnProgress
from reelwire.engines.tensorrt.progress import Progress as BuildProgress
from reelwire.engines.tensorrt.rtx import BACKEND as CHECKS
from reelwire.errors import ReelwireError
from reelwire.models.default_profiles import default_profiles

LIBRARIES = (ENTERPRISE.name, RTX.name)
PRECISIONS = ("fp32", "fp16", "int8")
PROFILE = re.compile(r"^[^=:]+=\d+(x\d+)*(:\d+(x\d+)*){2}$")
MB = 1e6


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="reelwire export tensorrt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, help="a model's folder")
    add("--backend", choices=LIBRARIES, help="library (default: the first that can run here)")
    add("--precision", action="append", choices=PRECISIONS, help="only this one; may be repeated")
    add(
        "--profile",
        action="append",
        type=_input_sizes,
        metavar="INPUT=LEAST:LIKELIEST:LARGEST",
        help='sizes of one input, such as "frame=1x3x32x32:1x3x360x640:1x3x720x1280", in place of those in '
        "model.toml; once for each input with free lengths",
    )
    add("--cache", type=Path, metavar="DIR", help="folder of plans (default: the one that services use)")
    add("--check", action="store_true", help="compile on the CPU, without a GPU, and keep nothing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 on success, 1 with one line on stderr."""
    given = build_parser().parse_args(arguments)
    try:
        by = None if given.check else find_backend(given.backend)
        with opened(given.model) as served:
            profiles = profiles_of(served, given.profile)
            if by is None:
                check_all(served, candidates_of(served, given.precision), profiles)
            else:
                options = EngineOptions(profiles=profiles, cache=given.cache)
                build_all(served, candidates_of(served, given.precision, by), options, by)
                if given.profile:
                    print(f"services find these plans where model.toml says:\n{as_toml(profiles)}")
    except (ExportError, ReelwireError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def find_backend(wanted: str | None) -> TensorRtBackend:
    """The one that can run here. ExportError: none can be used, with the reason and fix of each."""
    told = [backend(name).probe() for name in ([wanted] if wanted else LIBRARIES)]
    usable = next((each for each in told if each.ok), None)
    if usable is None:
        why = "; ".join(f"{each.backend}: {each.problem} (fix: {each.fix})" for each in told)
        raise ExportError(f"no plan can be built here: {why}; --check compiles without a GPU")
    found = backend(usable.backend)
    assert isinstance(found, TensorRtBackend), "both of these are"
    return found


def profiles_of(
    served: Served, given: Sequence[tuple[str, tuple[tuple[int, ...], ...]]] | None
) -> tuple[ShapeProfile, ...]:
    """Those given, else model.toml's, else the default. ProfileInvalid: none can be derived."""
    if given:
        return (ShapeProfile("given", dict(given)),)  # type: ignore[arg-type]  # three shapes each
    return served.files.profiles or default_profiles(served.spec, served.inputs)


def candidates_of(
    served: Served, precisions: Sequence[str] | None, by: TensorRtBackend = CHECKS
) -> tuple[Candidate, ...]:
    """What TensorRT can be given. ExportError: there is none in that precision."""
    usable = by.candidates(served.files.variants)
    found = tuple(each for each in usable if not precisions or each.precision in precisions)
    missing = set(precisions or ()) - {each.precision for each in found}
    if missing:
        raise ExportError(
            f"{served.files.location.name} has no {', '.join(sorted(missing))} file for TensorRT; add it "
            "with reelwire export precision"
        )
    return found


def build_all(
    served: Served, candidates: Sequence[Candidate], options: EngineOptions, by: TensorRtBackend
) -> None:
    """Each plan in a process of its own, one after the other. Raises as ``BuilderProcess.wait``."""
    name = served.files.location.name
    cache = PlanCache(options.cache)
    for candidate in candidates:
        order = by.plan_order(name, candidate, options)
        with _shown(f"{name} {candidate.precision}") as on_progress:
            builder = BuilderProcess(order, on_progress)
            try:
                report = builder.wait()
            except KeyboardInterrupt:
                builder.cancel()
                raise
        done = "was there" if report.was_there else f"built in {report.seconds:.1f} s"
        print(
            f"{name} {candidate.precision}: {done}, {report.plan_bytes / MB:.1f} MB, "
            f"for {by.name} {order.key.library_version} on {order.key.gpu}"
        )
        print(f"  key {order.key.digest}")
        print(f"  sidecar {cache.paths(order.key)[1]}")


def check_all(served: Served, candidates: Sequence[Candidate], profiles: tuple[ShapeProfile, ...]) -> None:
    """Each file by the compiler alone. Raises as ``compile_check``."""
    for candidate in candidates:
        path = candidate.variant.facts.path
        with _shown(path.name) as on_progress:
            compiled = compile_check(path, profiles, on_progress)
        print(
            f"{served.files.location.name} {candidate.precision}: compiles in {compiled.seconds:.1f} s, plan "
            f"{compiled.plan_bytes / MB:.1f} MB, activations {compiled.activation_bytes / MB:.1f} MB"
        )


def as_toml(profiles: Sequence[ShapeProfile]) -> str:
    """As they stand in model.toml."""
    lines = []
    for profile in profiles:
        inputs = ", ".join(
            f"{name} = {[list(shape) for shape in shapes]}" for name, shapes in profile.inputs.items()
        )
        lines.append(f'[[profiles]]\nname = "{profile.name}"\ninputs = {{ {inputs} }}')
    return "\n".join(lines)


@contextmanager
def _shown(title: str) -> Iterator[OnProgress]:
    """A bar on standard error that moves, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=1.0)

        def tell(progress: BuildProgress) -> None:
            bar.update(task, completed=progress.fraction, description=f"{title}: {progress.phase}")

        yield tell


def _input_sizes(text: str) -> tuple[str, tuple[tuple[int, ...], ...]]:
    if not PROFILE.match(text):
        raise argparse.ArgumentTypeError(
            f'"{text}": expected INPUT=LEAST:LIKELIEST:LARGEST, each as 1x3x32x32'
        )
    name, _, sizes = text.partition("=")
    return name, tuple(tuple(int(length) for length in size.split("x")) for size in sizes.split(":"))


if __name__ == "__main__":
    sys.exit(main())
