"""A model folder, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporters.errors import ExportError
from reelwire.models.check import explain
from reelwire.models.location import GRAPH_NAME
from reelwire.models.manifest import MANIFEST_NAME

FILES = frozenset(
    {GRAPH_NAME, MANIFEST_NAME, "sample.npz", *(f"model.{kind}.onnx" for kind in ("fp16", "s8s8", "u8s8"))}
)


@contextmanager
def new_model_folder(models: Path, name: str) -> Iterator[Path]:
    """An empty folder to write a model into, or one version of it: ``models`` is then the model's folder. It
    appears as ``models/name`` when the block ends without an error, in the place of an older one; until then
    that one stays. ExportError: something else is there, or services would refuse the model."""
    final = models / name
    check_replaceable(final)
    models.mkdir(parents=True, exist_ok=True)
    # A name that begins with a dot is no model's, and one file system makes the renaming atomic.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=models) as aside:
        half = Path(aside) / models.absolute().name / name  # a version's folder is known by the one above
        half.mkdir(parents=True)
        yield half
        problem = explain(half).problem
        if problem:
            raise ExportError(f"services would refuse the exported model: {problem}")
        _sync(half)
        _take_place(half, final, Path(aside) / "replaced")


def _take_place(half: Path, final: Path, replaced: Path) -> None:
    """Whatever ends this between the two renames, Ctrl-C too: the older model is back."""
    if not final.exists():
        os.rename(half, final)
        return
    try:
        os.rename(final, replaced)
        os.rename(half, final)
    except BaseException:
        if replaced.exists() and not final.exists():
            os.rename(replaced, final)
        raise


def check_replaceable(final: Path) -> None:
    """ExportError: ``final`` is there and is not a model folder, so that it must not be replaced."""
    if not final.exists():
        return
    held = {entry.name for entry in final.iterdir()} if final.is_dir() else set()
    if not final.is_dir() or not held <= FILES:
        others = ", ".join(sorted(held - FILES)) or "is a file"
        raise ExportError(f"{final} is no exported model ({others}); choose another --out or --name")


def _sync(folder: Path) -> None:
    """To the disk, before the name says that it is whole."""
    for file in sorted(folder.iterdir()):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
