"""Whether what training needs is installed. Importable without torch."""

from __future__ import annotations

import importlib.util

NEEDED = ("torch", "onnxscript")
FIX = 'pip install "reelwire[train]"'


def require_train_extra(what: str) -> None:
    """Ends the program with one line where the extra is missing. ``what``: "training", "exporting"."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(f"{what} needs {' and '.join(missing)}, not installed here; fix: {FIX}")
