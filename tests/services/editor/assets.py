"""Files that effects read, made for tests, and parameters that use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.services.editor.streams import Params


def write_assets(folder: Path) -> Path:
    """Everything that EXAMPLES names."""
    rgba = np.zeros((24, 32, 4), np.uint8)
    rgba[..., 0], rgba[..., 1] = 255, np.linspace(0, 255, 32, dtype=np.uint8)
    rgba[..., 3] = np.linspace(0, 255, 24, dtype=np.uint8)[:, None]
    Image.fromarray(rgba).save(folder / "logo.png")
    (folder / "inverse.cube").write_text(cube(2, lambda r, g, b: (1 - r, 1 - g, 1 - b)))
    (folder / "same.cube").write_text(cube(3, lambda r, g, b: (r, g, b)))
    return folder


def cube(size: int, turn: Callable[[float, float, float], tuple[float, float, float]]) -> str:
    """A .cube file: ``turn(r, g, b)`` gives three levels of 0 to 1; red changes fastest."""
    steps = [step / (size - 1) for step in range(size)]
    rows = [turn(r, g, b) for b in steps for g in steps for r in steps]
    return f'TITLE "test"\nLUT_3D_SIZE {size}\n' + "".join(f"{r:g} {g:g} {b:g}\n" for r, g, b in rows)


EXAMPLES: dict[str, Params] = {
    "grade": {
        "brightness": 0.1,
        "contrast": 1.3,
        "saturation": 0.4,
        "temperature": 4000,
        "lut": "inverse.cube",
    },
    "text": {"text": "Grüße\nмир שלום", "size": 0.2, "y": 0.5, "box": True, "start_s": 0.2, "end_s": 0.8},
    "fade": {"in_s": 0.4, "out_s": 0.4, "out_start_s": 0.5, "color": "#204060"},
    "trim": {"start_s": 0.2, "end_s": 0.84},
    "overlay": {"picture": "logo.png", "scale": 0.4, "opacity": 0.7, "end_s": 0.6},
    "filter": {"graph": "tmix=frames=3,hue=h=60"},
    "background_blur": {"strength": 0.05, "model": "red"},
    "background_replace": {"color": "#00ff00", "model": "red"},
    "blur_faces": {"model": "squares", "detail": 4096},
}
"""Parameters with which each effect does something on test pictures."""
