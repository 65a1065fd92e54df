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
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from exporters.errors import ExportError
from exporters.served import Served, opened
from reelwire.engines.backend import ShapeProfile, Variant
from reelwire.engines.registry import backend
from reelwire.engines.tensorrt.builder_process import BuilderProcess
from reelwire.engines.tensorrt.compile_check import compile_check
from reelwire.engines.tensorrt.libraries import ENTERPRISE, RTX, load_libraries
from reelwire.engines.tensorrt.order import PlanOrder, plan_key
from reelwire.engines.tensorrt.plans import PlanCache, default_plan_folder
from reelwire.engines.tensorrt.preflight import Gpu, find_gpu
from reelwire.engines.tensorrt.progress import OnProgress
from reelwire.engines.tensorrt.progress import Progress as BuildProgress
from reelwire.errors import ReelwireError
from reelwire.models.default_profiles import default_profiles

LIBRARIES = {facts.name: facts for facts in (ENTERPRISE, RTX)}
PRECISIONS = ("fp32", "fp16", "int8")
PROFILE = re.compile(r"^[^=:]+=\d+(x\d+)*(:\d+(x\d+)*){2}$")
CHECK_FORM = "u8s8"
"""Made for ONNX Runtime's CPU kernels; TensorRT refuses it, and is never given it."""
MB = 1e6


@dataclass(frozen=True, slots=True)
class Target:
    """What plans are built with and for. ``module``: imported in place of the backend's library."""

    backend: str
    version: str
    gpu: Gpu
    folder: Path
    module: str = ""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="reelwire export tensorrt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, help="a model's folder")
    add("--backend", choices=list(LIBRARIES), help="library (default: the first that can run here)")
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
        target = None if given.check else find_target(given.backend, given.cache)
        with opened(given.model) as served:
            profiles = profiles_of(served, given.profile)
            variants = variants_of(served, given.precision)
            if target is None:
                check_all(served, variants, profiles)
            else:
                build_all(served, variants, profiles, target)
                if given.profile:
                    print(f"services find these plans where model.toml says:\n{as_toml(profiles)}")
    except (ExportError, ReelwireError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def find_target(wanted: str | None, cache: Path | None) -> Target:
    """The GPU and library of this machine. ExportError: none can be used, with the reason and fix of each."""
    told = [backend(name).probe() for name in ([wanted] if wanted else LIBRARIES)]
    usable = next((each for each in told if each.ok), None)
    if usable is None:
        why = "; ".join(f"{each.backend}: {each.problem} (fix: {each.fix})" for each in told)
        raise ExportError(f"no plan can be built here: {why}; --check compiles without a GPU")
    libraries = load_libraries(LIBRARIES[usable.backend])
    return Target(usable.backend, libraries.version, find_gpu(), cache or default_plan_folder())


def profiles_of(
    served: Served, given: Sequence[tuple[str, tuple[tuple[int, ...], ...]]] | None
) -> tuple[ShapeProfile, ...]:
    """Those given, else model.toml's, else the default. ProfileInvalid: none can be derived."""
    if given:
        return (ShapeProfile("given", dict(given)),)  # type: ignore[arg-type]  # three shapes each
    return served.files.profiles or default_profiles(served.spec, served.inputs)


def variants_of(served: Served, precisions: Sequence[str] | None) -> tuple[Variant, ...]:
    """The files that TensorRT is given. ExportError: there is none in that precision."""
    usable = [each for each in served.files.variants if each.form != CHECK_FORM]
    found = tuple(each for each in usable if not precisions or each.precision in precisions)
    missing = set(precisions or ()) - {each.precision for each in found}
    if missing:
        raise ExportError(
            f"{served.files.location.name} has no {', '.join(sorted(missing))} file for TensorRT; add it "
            "with reelwire export precision"
        )
    return found


def build_all(
    served: Served, variants: Sequence[Variant], profiles: tuple[ShapeProfile, ...], target: Target
) -> None:
    """Each plan in a process of its own, one after the other. Raises as ``BuilderProcess.wait``."""
    name = served.files.location.name
    cache = PlanCache(target.folder)
    for variant in variants:
        key = plan_key(target.backend, target.version, target.gpu, variant, profiles)
        order = PlanOrder(name, variant.facts.path, key, target.folder, target.module)
        with _shown(f"{name} {variant.precision}") as on_progress:
            builder = BuilderProcess(order, on_progress)
            try:
                report = builder.wait()
            except KeyboardInterrupt:
                builder.cancel()
                raise
        done = "was there" if report.was_there else f"built in {report.seconds:.1f} s"
        print(
            f"{name} {variant.precision}: {done}, {report.plan_bytes / MB:.1f} MB, "
            f"for {target.backend} {target.version} on {target.gpu.name}"
        )
        print(f"  key {key.digest}")
        print(f"  sidecar {cache.paths(key)[1]}")


def check_all(served: Served, variants: Sequence[Variant], profiles: tuple[ShapeProfile, ...]) -> None:
    """Each file by the compiler alone. Raises as ``compile_check``."""
    for variant in variants:
        with _shown(f"{variant.facts.path.name}") as on_progress:
            compiled = compile_check(variant.facts.path, profiles, on_progress)
        print(
            f"{served.files.location.name} {variant.precision}: compiles in {compiled.seconds:.1f} s, plan "
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
