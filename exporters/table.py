"""Markdown tables, and their place in a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exporters.errors import ExportError

BEGIN, END = "<!-- models-verify -->", "<!-- /models-verify -->"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Pipes in cells would end them."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def write_between(path: Path, text: str) -> None:
    """Replaces what stands between the markers. ExportError: they are not there, once each and in order."""
    document = path.read_text(encoding="utf-8")
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    if (document.count(BEGIN), document.count(END)) != (1, 1) or END in before:
        raise ExportError(f"{path} must hold {BEGIN} and, after it, {END}, once each")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
