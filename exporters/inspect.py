"""What a model needs: parameters, operators, inputs and states, memory for each profile, and which backends
can run it, or why not.

    reelwire export inspect my-models/sketch

Memory is estimated twice where TensorRT for RTX is installed: from the graph's shapes (each tensor from its
first to its last use), and by its compiler.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

from exporters.errors import ExportError
from exporters.memory import activation_memory
from exporters.profiles import profiles_for
from exporters.served import Served, opened
from reelwire.engines.backend import ShapeProfile, Variant
from reelwire.engines.registry import BACKEND_NAMES, backend
from reelwire.engines.tensorrt.compile_check import compile_check
from reelwire.errors import BackendMissing, ReelwireError

MIB = 1 << 20
CPU_FORM = "u8s8"
"""Made for ONNX Runtime's CPU kernels; TensorRT refuses it, and is never given it."""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="reelwire export inspect",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a model's folder")
    parser.add_argument("--no-compile", action="store_true", help="do not ask TensorRT for RTX's compiler")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 on success, 1 with one line on stderr."""
    given = build_parser().parse_args(arguments)
    try:
        with opened(given.model) as served:
            for line in describe(served, compiles=not given.no_compile):
                print(line)
    except ExportError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def describe(served: Served, *, compiles: bool) -> Iterator[str]:
    """Everything, line by line."""
    files = served.files
    yield f"{files.location.name}@{files.version}: {files.facts.parameter_count} parameters"
    yield from served.spec.understood
    yield from (f"input {tensor}" for tensor in served.inputs)
    yield from (f'state "{state.input}" comes from "{state.output}"' for state in served.spec.states)
    profiles = files.profiles or _standard(served)
    listed = {entry.file: entry for entry in files.manifest.variants}
    for variant in files.variants:
        told = listed.get(variant.facts.path.name)
        like = f", {told.psnr_db:g} dB like fp32" if told and told.psnr_db is not None else ""
        size = f"{variant.facts.size_bytes / 1e6:.2f} MB"
        yield f"{variant.facts.path.name}: {words_of(variant)}, {size}, opset {variant.facts.opset}{like}"
        yield f"  {_operators(variant.facts.path)}"
        yield from (f"  {line}" for line in _memory(variant, profiles, compiles))
    yield from _backends(files.variants)


def words_of(variant: Variant) -> str:
    """ "int8 (s8s8)"."""
    return f"{variant.precision} ({variant.form})" if variant.form else variant.precision


def _standard(served: Served) -> tuple[ShapeProfile, ...]:
    made = profiles_for(served.spec, served.inputs)
    return tuple(ShapeProfile(each["name"], each["inputs"]) for each in made)


def _operators(path: Path) -> str:
    counts = Counter(node.op_type for node in onnx.load(str(path)).graph.node)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _memory(variant: Variant, profiles: Sequence[ShapeProfile], compiles: bool) -> Iterator[str]:
    model = onnx.load(str(variant.facts.path))
    for profile in profiles or (ShapeProfile("fixed size", {}),):
        largest = {name: shapes[2] for name, shapes in profile.inputs.items()}
        shown = ", ".join(f"{name} {list(shape)}" for name, shape in largest.items())
        found = activation_memory(model, largest)
        open_end = f", {found.unknown} tensors unknown" if found.unknown else ""
        yield f"{profile.name}: {found.peak_bytes / MIB:.0f} MiB by shapes{open_end}  {shown}".rstrip()
    if compiles and variant.form != CPU_FORM:
        yield _compiled(variant, profiles)


def _compiled(variant: Variant, profiles: Sequence[ShapeProfile]) -> str:
    try:
        plan = compile_check(variant.facts.path, profiles)
    except BackendMissing:
        return "TensorRT for RTX: not installed, not asked"
    except ReelwireError as error:
        return f"TensorRT for RTX: refused: {error.message}"
    return (
        f"TensorRT for RTX: {plan.activation_bytes / MIB:.0f} MiB, a plan of {plan.plan_bytes / 1e6:.1f} MB, "
        f"compiled in {plan.seconds:.1f} s"
    )


def _backends(variants: Sequence[Variant]) -> Iterator[str]:
    for name in BACKEND_NAMES:
        told = backend(name).probe()
        if not told.ok:
            yield f"{name}: no: {told.problem}; {told.fix}"
            continue
        ways = backend(name).candidates(variants)
        words = ", ".join(f"{way.precision} from {way.variant.facts.path.name}" for way in ways)
        yield f"{name}: {words or 'no file of this model suits it'}"


if __name__ == "__main__":
    sys.exit(main())
