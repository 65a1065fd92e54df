"""Model folders of small networks, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exporters.complete import complete
from exporters.graph import export_graph
from exporters.toml import toml_text
from training.recipe import Exportable

CLIP = Path(__file__).resolve().parents[2] / "assets" / "bigbuckbunny.mp4"


def written(exportable: Exportable, folder: Path, **manifest: Any) -> Path:
    """``folder``, with the network as model.onnx and a model.toml of its meaning, a sample and profiles."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(export_graph(exportable).SerializeToString())
    values = {**exportable.manifest, **manifest}
    (folder / "model.toml").write_text(toml_text(values))
    complete(folder, values)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
