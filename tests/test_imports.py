"""What may import what, and what no file may hold: read from the source, so that dead branches count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("reelwire", "services", "exporters", "training", "bench", "deploy", "tests")
GENERATED = ROOT / "reelwire" / "v1"
MAY_IMPORT = {
    "reelwire": ("reelwire",),
    "services": ("services", "reelwire"),
    "exporters": ("exporters", "training", "reelwire"),
    "training": ("training", "reelwire.media"),
    "deploy": ("deploy", "reelwire"),
}
NO_TORCH = ("reelwire", "services")
NOT_IN_A_STAGE = ("grpc", "asyncio", "socket")
VAGUE_NAMES = frozenset({"utils", "helpers", "common", "base"})
MAX_LINES = 300
UNFINISHED = ("TO" + "DO", "FIX" + "ME")


def python_files(*packages: str) -> list[Path]:
    """Every file that we write by hand, in order."""
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    return sorted(path for path in files if GENERATED not in path.parents)


def name_of(path: Path) -> str:
    """``reelwire/hop/flow.py`` → ``reelwire.hop.flow``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_in(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported anywhere in the source, inside functions too. ``package`` is
    what relative imports start from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def imports_of(path: Path) -> list[tuple[int, str]]:
    """``imports_in`` a file of ours."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path.parent / "__init__.py")
    return list(imports_in(path.read_text("utf-8"), package))


def within(name: str, packages: tuple[str, ...]) -> bool:
    """``reelwire.media.Frame`` is within ``reelwire.media``, ``reelwireless`` is not within ``reelwire``."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offences(files: list[Path], forbidden: tuple[str, ...], allowed: tuple[str, ...] = ()) -> list[str]:
    """``path:line imports name`` for each import that is forbidden and not allowed."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imports_of(path)
        if within(name, forbidden) and not within(name, allowed)
    ]


def test_every_way_of_importing_is_seen() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from . import e\n    from ..g import h as i\n"
    assert [name for _, name in imports_in(source, "x.y")] == ["a.b", "c.d", "x.y.e", "x.g.h"]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package: str) -> None:
    files = python_files(package)
    assert files, f"no files in {package}"
    assert offences(files, OURS, MAY_IMPORT[package]) == []


def test_the_command_line_starts_services_as_processes_and_never_imports_them() -> None:
    assert offences(python_files("reelwire/cli"), ("services",)) == []


def test_serving_never_needs_torch() -> None:
    assert offences(python_files(*NO_TORCH), ("torch",)) == []


def test_stages_know_no_network_and_no_event_loop() -> None:
    inside = [
        path
        for path in python_files("services")
        if path.name != "__main__.py" and len(path.relative_to(ROOT).parts) > 2
    ]
    assert inside
    assert offences(inside, NOT_IN_A_STAGE) == []


def test_the_pure_parts_know_no_network() -> None:
    pure = ("media", "timeline", "errors", "stage", "wire", "formats", "pixels", "hop/flow", "hop/ledger")
    files = [ROOT / "reelwire" / f"{name}.py" for name in pure]
    assert offences(files, NOT_IN_A_STAGE) == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [
        str(path.relative_to(ROOT))
        for path in python_files(*OURS)
        if VAGUE_NAMES & set(path.relative_to(ROOT).with_suffix("").parts)
    ]
    assert vague == []


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in python_files(*OURS)
    }
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_nothing_is_marked_as_unfinished() -> None:
    marked = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in python_files(*OURS)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if any(word in line for word in UNFINISHED)
    ]
    assert marked == []
